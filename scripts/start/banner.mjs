/** What `npm start` prints once the gateway answers. */

/**
 * @typedef {object} BannerFacts
 * @property {URL} url of the gateway
 * @property {string} folder local state
 * @property {string} mockUrl
 * @property {readonly import('./configuration.mjs').PointedUpstream[]} upstreams
 * @property {readonly { name: string, upstream: string }[]} missing secrets
 * @property {string} key
 */

/**
 * @param {BannerFacts} facts
 * @returns {string}
 */
export function banner({ url, folder, mockUrl, upstreams, missing, key }) {
  const base = url.origin
  return [
    '',
    `Sluice answers at ${base}`,
    '',
    ...upstreams.map(({ name, url: to }) => `  ${name.padEnd(12)} → ${to ?? `${mockUrl} (mock)`}`),
    '',
    ...missing.map(
      ({ name, upstream }) =>
        `Warning: upstream "${upstream}" is real and has no credential: set ${name} in the environment or in .dev.vars.`,
    ),
    ...(missing.length > 0 ? [''] : []),
    'Try it:',
    '',
    ...curlLines(
      base,
      key,
      upstreams.every((upstream) => upstream.url === null),
    ),
    '',
    'Configuration: sluice.config.json (restart to apply)',
    `Local state:   ${folder} (forget it with npm start -- --reset)`,
    'Ctrl-C stops it.',
    '',
  ].join('\n')
}

/**
 * @param {string} base
 * @param {string} key
 * @param {boolean} mocked whether every upstream is the mock, whose answers a model name steers
 */
function curlLines(base, key, mocked) {
  const models = mocked ? ['gpt-mock', 'mock/itl=50,n=32'] : ['MODEL', 'MODEL']
  const [json, stream] = models.map((model, at) =>
    JSON.stringify({
      model,
      ...(at === 1 && { stream: true }),
      messages: [{ role: 'user', content: 'Hello' }],
    }),
  )
  const post = `curl ${base}/v1/chat/completions -H 'authorization: Bearer ${key}' -H 'content-type: application/json'`
  return [
    `curl ${base}/health`,
    `${post} -d '${json}'`,
    `${post.replace('curl ', 'curl -N ')} -d '${stream}'`,
    ...(mocked ? [] : ['', 'MODEL stands for a model of the upstream.']),
  ]
}
