export { Ledger } from '../../../src/durable/ledger/ledger.ts'
export { Registry } from '../../../src/durable/registry.ts'

/** The Worker under test carries the Durable Objects; tests call the rest directly. */
export default {
  fetch: () => new Response('The tests call modules, not this Worker.', { status: 501 }),
} satisfies ExportedHandler
