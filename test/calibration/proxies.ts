import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort, startGatewayUnderTest } from '../support/gateway-under-test.ts'

/** A reverse proxy that serves the same two routes as the others: `/plain/*` with a credential put in, `/closed/*` shut. */
export interface Proxy {
  readonly name: string
  readonly version: string
  readonly port: number
  /** What an upstream must see of the credential. */
  readonly credential: string
  close(): Promise<void>
}

/** Times and limits that all of them are given. */
export const limits = { seconds: 1, bodyBytes: 1_000_000 } as const

const credential = 'Bearer the-credential-of-the-upstream'

export async function startOurs(upstreamUrl: string): Promise<Proxy> {
  const target = {
    origin: upstreamUrl,
    secret: { secret: 'OPENAI_API_KEY' },
    timeouts: { firstByteMs: limits.seconds * 1_000 },
  }
  const route = { upstream: 'calibrated', bodyBytesMax: limits.bodyBytes, bodyMs: limits.seconds * 1_000 }
  const gateway = await startGatewayUnderTest({
    upstreamUrl,
    upstreams: { calibrated: { dialect: 'http', targets: [target] } },
    routes: [
      { id: 'calibrated', path: '/plain/*', rewrite: '/*', auth: 'none', ...route },
      { id: 'closed', path: '/closed/*', ...route },
    ],
  })
  return {
    name: 'Sluice',
    version: gateway.rig.bundle.sha256.slice(0, 12),
    port: gateway.port,
    credential: `Bearer ${gateway.canaries['OPENAI_API_KEY']}`,
    close: () => gateway.close(),
  }
}

const spawnNginx = (folder: string) => spawn('nginx', ['-e', `${folder}/error.log`, '-c', `${folder}/config`])
const spawnHaproxy = (folder: string) => spawn('haproxy', ['-db', '-f', `${folder}/config`])

export async function startNginx(upstreamPort: number): Promise<Proxy> {
  const port = await freePort()
  const config = (folder: string) => `
daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  client_max_body_size ${limits.bodyBytes};
  client_body_timeout ${limits.seconds}s; proxy_read_timeout ${limits.seconds}s;
  server {
    listen 127.0.0.1:${port};
    location /closed/ { return 403; }
    location /plain/ {
      proxy_pass http://127.0.0.1:${upstreamPort}/;
      proxy_set_header Authorization "${credential}";
    }
  }
}
`
  const version = execFileSync('sh', ['-c', 'nginx -v 2>&1']).toString().trim().split('/')[1] ?? ''
  return run({ name: 'nginx', version, port, config, start: spawnNginx })
}

export async function startHaproxy(upstreamPort: number): Promise<Proxy> {
  const port = await freePort()
  const time = `${limits.seconds}s`
  const config = () => `
defaults
  mode http
  timeout connect ${time}
  timeout client ${time}
  timeout server ${time}
  timeout http-request ${time}
frontend all
  bind 127.0.0.1:${port}
  http-request deny deny_status 403 if { path_beg /closed/ }
  http-request deny deny_status 404 unless { path_beg /plain/ }
  http-request deny deny_status 413 if { req.body_size gt ${limits.bodyBytes} }
  http-request replace-path ^/plain/(.*) /\\1
  http-request set-header authorization "${credential}"
  default_backend up
backend up
  server up 127.0.0.1:${upstreamPort}
`
  const version = execFileSync('haproxy', ['-v']).toString().split(' ')[2] ?? ''
  return run({ name: 'HAProxy', version, port, config, start: spawnHaproxy })
}

interface Foreign {
  readonly name: string
  readonly version: string
  readonly port: number
  readonly config: (folder: string) => string
  readonly start: (folder: string) => ChildProcess
}

async function run({ name, version, port, config, start }: Foreign): Promise<Proxy> {
  const folder = mkdtempSync(join(tmpdir(), 'calibrate-'))
  // Workers that give up root have to reach what is theirs in it.
  chmodSync(folder, 0o755)
  writeFileSync(join(folder, 'config'), config(folder))
  const child = start(folder)
  let said = ''
  child.stderr?.on('data', (bytes: Buffer) => (said += bytes.toString()))
  const exited = once(child, 'exit')
  for (let tries = 0; !(await listens(port)); tries += 1) {
    if (tries > 100 || child.exitCode !== null) throw new Error(`${name} did not start: ${said}`)
    await wait(20)
  }
  const close = async () => {
    child.kill('SIGTERM')
    await exited
    rmSync(folder, { recursive: true, force: true })
  }
  return { name, version, port, credential, close }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}
