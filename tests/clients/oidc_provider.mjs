// A real OpenID Connect provider, whose people are named in its arguments' place: whoever signs in
// as NAME is NAME, with the verified address NAME@people.example, and one called "nobody" has none.
import { createServer } from 'node:http'
import Provider from 'oidc-provider'

const [redirectUri] = process.argv.slice(2)
const client = (client_id, method) => ({
  client_id,
  client_secret: method === 'none' ? undefined : 'a secret of the client & of nobody else',
  token_endpoint_auth_method: method,
  redirect_uris: [redirectUri],
  grant_types: ['authorization_code'],
  response_types: ['code'],
})

const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: [
      client('basic', 'client_secret_basic'),
      client('post', 'client_secret_post'),
      client('public', 'none'),
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    cookies: { keys: ['a key of the tests'] },
    findAccount: (_context, sub) => ({
      accountId: sub,
      claims: () => ({
        sub,
        name: `${sub} of the tests`,
        email: sub === 'nobody' ? undefined : `${sub}@people.example`,
        email_verified: sub === 'nobody' ? undefined : sub !== 'unverified',
      }),
    }),
    pkce: { required: () => true },
  })
  server.on('request', provider.callback())
  process.stdout.write(`${JSON.stringify({ issuer })}\n`)
})
process.stdin.on('end', () => process.exit(0)).resume()
