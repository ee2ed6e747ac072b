import type { Env as SluiceEnv } from '../../../src/env.ts'

declare global {
  namespace Cloudflare {
    interface Env extends SluiceEnv {}
    interface GlobalProps {
      mainModule: typeof import('./worker.ts')
    }
  }
}
