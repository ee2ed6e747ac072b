/**
 * How a response ended; each exchange has exactly one.
 *
 * - `complete`: every byte the upstream (or the gateway itself) had was handed to the client
 * - `client_left`: the client went away first; the upstream was aborted
 * - `upstream_failed`: the upstream broke the body after its headers
 * - `idle_timeout`, `total_timeout`: the gateway ended the body because a time of the route ran out
 * - `limit_reached`: the gateway ended a stream cleanly because its token limit was used up
 * - `stopped`: the gateway broke a stream off because its key was revoked or its slot was lost
 * - `refused`: the gateway answered with a refusal instead of an upstream response
 * - `upgraded`: the connection became a WebSocket, whose end the gateway does not see
 */
export type Ending =
  | 'complete'
  | 'client_left'
  | 'upstream_failed'
  | 'idle_timeout'
  | 'total_timeout'
  | 'limit_reached'
  | 'stopped'
  | 'refused'
  | 'upgraded'
