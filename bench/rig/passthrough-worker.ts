/** The least a Worker can do and still be a proxy: what the gateway costs is measured against it. */
export default {
  fetch(req: Request, env: { readonly UPSTREAM: string }): Promise<Response> {
    const url = new URL(req.url)
    return fetch(`${env.UPSTREAM}${url.pathname}${url.search}`, req)
  },
}
