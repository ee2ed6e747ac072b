/** Ids and credentials of provider accounts as they stand in error texts: organisations, projects, users, keys. */
const accountToken = /\b(?:org|proj|user|acct|sess|sk|rk|pk|key)[-_][A-Za-z0-9_-]{6,}/g

/**
 * An upstream's text without what belongs to the account behind the gateway's credential.
 *
 * @param secret the credential itself, removed wherever it stands
 */
export function redactAccount(text: string, secret: string): string {
  return text.replaceAll(secret, '[redacted]').replaceAll(accountToken, redacted)
}

/** All such tokens hold a digit, which names of parameters such as `user_location` do not. */
function redacted(token: string): string {
  return /\d/.test(token) ? '[redacted]' : token
}
