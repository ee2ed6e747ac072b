import type { Hono } from 'hono'

/** The admin API's Hono; the id of the request is its one variable. */
export type ControlHono = Hono<{ Variables: { requestId: string } }>
