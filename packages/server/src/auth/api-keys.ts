import { createHash, timingSafeEqual } from 'node:crypto';
import { findPatternProblem, type Role } from '@millrace/protocol';
import { DEFAULT_ENTITY, findIdProblem, type Identity, isReservedEntity } from './identity.ts';
import { Permissions, type TopicGrants } from './permissions.ts';

/** A backend's key, from the configuration. Exactly one of `key` and `keyHash` is given. */
export interface ApiKey {
  /** The user id that its bearer acts as. */
  readonly id: string;
  /** At least 32 characters. */
  readonly key?: string | undefined;
  /** SHA-256 of the key in hex, so that the configuration holds no secret. */
  readonly keyHash?: string | undefined;
  /** `default` when missing. */
  readonly entity?: string | undefined;
  readonly roles: readonly Role[];
  readonly topics?: TopicGrants | undefined;
}

const MIN_KEY_LENGTH = 32;

export function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function digestOf({ id, key, keyHash }: ApiKey): Buffer {
  if ((key === undefined) === (keyHash === undefined)) {
    throw new Error(`API key "${id}" needs either key or keyHash`);
  }
  if (key !== undefined) {
    if (key.length >= MIN_KEY_LENGTH) return sha256(key);
    throw new Error(
      `API key "${id}" has less than ${MIN_KEY_LENGTH} characters; see \`openssl rand -hex 32\``,
    );
  }
  if (keyHash !== undefined && /^[0-9a-fA-F]{64}$/.test(keyHash)) return Buffer.from(keyHash, 'hex');
  throw new Error(
    `the keyHash of API key "${id}" is not a SHA-256 in hex; see \`printf %s "$KEY" | sha256sum\``,
  );
}

function identityOfKey(apiKey: ApiKey): Identity {
  const { id, entity = DEFAULT_ENTITY, roles, topics } = apiKey;
  const problem = findIdProblem(id) ?? findIdProblem(entity);
  if (problem !== undefined) throw new Error(`the id or entity of API key "${id}" ${problem}`);
  if (isReservedEntity(entity)) {
    throw new Error(`the entity of API key "${id}" begins with "$", which is reserved for the server itself`);
  }
  if (roles.length === 0) throw new Error(`API key "${id}" has no role`);
  for (const pattern of [...(topics?.subscribe ?? []), ...(topics?.publish ?? [])]) {
    const wrong = findPatternProblem(pattern);
    if (wrong !== undefined) throw new Error(`the topic "${pattern}" of API key "${id}" ${wrong}`);
  }
  const permissions = new Permissions({ userId: id, roles, topics });
  return {
    userId: id,
    entityId: entity,
    roles,
    expiresAt: Number.POSITIVE_INFINITY,
    permissions,
    credential: { kind: 'key', keyId: id },
  };
}

/** The API keys of one server. Throws an `Error` for one that is malformed or too short. */
export class ApiKeys {
  readonly #keys: readonly { readonly digest: Buffer; readonly identity: Identity }[];

  constructor(keys: readonly ApiKey[]) {
    this.#keys = keys.map((key) => ({ digest: digestOf(key), identity: identityOfKey(key) }));
  }

  /** Who bears the key with this SHA-256. */
  find(digest: Buffer): Identity | undefined {
    return this.#keys.find((key) => timingSafeEqual(key.digest, digest))?.identity;
  }
}
