import { ROLES } from '@millrace/protocol';
import Type from 'typebox';
import { duration, HTTP_URL, patterns, section, strict, text } from './section.ts';

const ApiKey = section('One API key, for a backend.', {
  id: text('Its name in logs and statistics; the user id of its sessions.'),
  key: Type.Optional(text('The key itself.', { minLength: 32, secret: true })),
  keyHash: Type.Optional(
    Type.String({
      pattern: '^[0-9a-fA-F]{64}$',
      description: 'Instead of the key: its SHA-256 in hex (`printf %s "$KEY" | sha256sum`).',
    }),
  ),
  entity: Type.Optional(text('The entity it belongs to; `default` when missing.')),
  roles: Type.Array(Type.Enum([...ROLES]), { minItems: 1, description: 'What its bearer may do.' }),
  topics: Type.Optional(
    section('Narrows what the roles permit.', {
      subscribe: Type.Optional(patterns('Topics and patterns it may read.')),
      publish: Type.Optional(patterns('Topics and patterns it may publish to.')),
    }),
  ),
});

export const AuthSchema = section(
  'Who may connect. With none of it, the first start creates a key in the data folder.',
  {
    secret: Type.Optional(
      text('Shared secret of HS256 tokens, at least 32 characters.', { minLength: 32, secret: true }),
    ),
    secretFile: Type.Optional(text('File that holds the shared secret.', { path: true })),
    publicKeys: Type.Optional(
      Type.Array(text('PEM text, or the path of a PEM file.'), {
        description: 'Public keys of RS256, ES256 and EdDSA tokens: PEM texts, or paths of PEM files.',
      }),
    ),
    jwksUrl: Type.Optional(
      Type.String({ pattern: '^https?://', description: 'Where the issuer publishes its rotating keys.' }),
    ),
    issuer: Type.Optional(text('The `iss` that every token must have.')),
    audience: Type.Optional(text('The `aud` that every token must have.')),
    entityClaim: Type.Optional(text('The claim that names the entity, such as `accountId`.')),
    maxTokenLifetime: duration(
      'Longest that a JWT may be valid, from its `iat` to its `exp`; one that lives longer is refused. Revocations are kept for so long.',
      '30d',
    ),
    hook: Type.Optional(
      Type.Object(
        {
          url: Type.String({
            pattern: HTTP_URL,
            description:
              'Gets `POST {"token": …}`; answers 200 with claims `{sub, entity?, roles?, topics?, exp?}`, or 401 or 403.',
          }),
          timeout: Type.Optional(
            duration('For one question; `2s` when missing. Then the client is asked to try again.'),
          ),
          cache: Type.Optional(
            duration('How long an answer counts; `30s` when missing. A refusal counts 5 s at most.'),
          ),
          headers: Type.Optional(
            Type.Record(Type.String(), Type.String(), {
              description: 'Sent along, so that the backend knows who asks.',
            }),
          ),
        },
        {
          ...strict,
          secret: true,
          description: 'The application’s backend, asked who bears a token that no key knows.',
        },
      ),
    ),
    apiKeys: Type.Optional(Type.Array(ApiKey, { secret: true, description: 'API keys for backends.' })),
  },
);

export type ApiKeyConfig = Type.Static<typeof ApiKey>;
