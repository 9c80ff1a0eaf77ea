import {
  encodeSegment,
  findPatternProblem,
  isRole,
  MAX_NAME_LENGTH,
  MillraceError,
  type Role,
} from '@millrace/protocol';
import { Permissions, type TopicGrants } from './permissions.ts';

/** What an identity was proved with, as far as a revocation can name it. */
export type Credential =
  | { readonly kind: 'key'; readonly keyId: string }
  | {
      readonly kind: 'token';
      /** See `fingerprintOf`. */
      readonly fingerprint: string;
      readonly jti: string | undefined;
      /** Milliseconds since the Unix epoch. */
      readonly issuedAt: number;
    };

/** Who a session is and what it may do. */
export interface Identity {
  readonly userId: string;
  readonly entityId: string;
  /** Never empty. */
  readonly roles: readonly Role[];
  /** When the session must be over, in milliseconds since the epoch; `Infinity` when it says nothing of an end. */
  readonly expiresAt: number;
  readonly permissions: Permissions;
  readonly credential: Credential;
}

export const DEFAULT_ENTITY = 'default';

/** Holds the server's own topics: revocations and audits. No token, key or provider can act within it. */
export const SYSTEM_ENTITY = '$system';

/** Whether an entity is the server's own: its id begins with `$`. */
export function isReservedEntity(entityId: string): boolean {
  return entityId.startsWith('$');
}

/** Longest id as a segment, in bytes: leaves room in a topic for what stands around it. */
const MAX_ID_SEGMENT_LENGTH = 200;

const USER_CLAIMS = ['sub', 'userId', 'user_id', 'id'] as const;
const ENTITY_CLAIMS = ['entity', 'entityId', 'currentEntityId'] as const;

export type Claims = Readonly<Record<string, unknown>>;

function refuse(problem: string): never {
  throw new MillraceError('unauthorized', `the token's ${problem}; ask for a token from its issuer`);
}

/** Why `id` cannot name an entity or user, as the end of a sentence, or `undefined`. */
export function findIdProblem(id: string): string | undefined {
  if (id === '') return 'is empty';
  if (!id.isWellFormed() || /\p{Cc}/u.test(id)) return 'has characters that no id may have';
  if (id.length > MAX_NAME_LENGTH || encodeSegment(id).length > MAX_ID_SEGMENT_LENGTH) return 'is too long';
  return undefined;
}

/** The first of these claims that the token has; strict from there, so that a broken claim never means another id. */
function readId(claims: Claims, names: readonly string[]): string | undefined {
  const name = names.find((candidate) => claims[candidate] !== undefined && claims[candidate] !== null);
  if (name === undefined) return undefined;
  const value = claims[name];
  // Beyond the safe integers, two ids could read as the same number.
  const id = Number.isSafeInteger(value) ? String(value) : value;
  if (typeof id !== 'string') refuse(`"${name}" claim is neither a string nor a whole number`);
  const problem = findIdProblem(id);
  if (problem !== undefined) refuse(`"${name}" claim ${problem}`);
  return id;
}

/** Roles this server knows; others are for someone else. */
function readRoles(claim: unknown): readonly Role[] {
  const names: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
  const roles = names.filter((name) => typeof name === 'string').filter(isRole);
  return roles.length === 0 ? ['observer'] : [...new Set(roles)];
}

function readPatterns(claims: Claims, verb: 'subscribe' | 'publish'): readonly string[] | undefined {
  const patterns = claims[verb];
  if (patterns === undefined) return undefined;
  if (!Array.isArray(patterns)) refuse(`"topics.${verb}" claim is not a list of patterns`);
  return patterns.map((pattern: unknown, i) => {
    const problem = typeof pattern === 'string' ? findPatternProblem(pattern) : 'is not a string';
    if (problem !== undefined) refuse(`"topics.${verb}[${i}]" claim ${problem}`);
    return pattern as string;
  });
}

/** A claim that cannot be read refuses the token: skipping it would permit more than the issuer meant. */
function readTopics(claim: unknown): TopicGrants | undefined {
  if (claim === undefined) return undefined;
  if (typeof claim !== 'object' || claim === null || Array.isArray(claim)) {
    refuse('"topics" claim is not an object {subscribe, publish}');
  }
  const claims = claim as Claims;
  return { subscribe: readPatterns(claims, 'subscribe'), publish: readPatterns(claims, 'publish') };
}

/** The time that a claim names, in ms since the Unix epoch. */
export function readTime(claims: Claims, name: 'exp' | 'iat'): number | undefined {
  const seconds = claims[name];
  if (seconds === undefined) return undefined;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) refuse(`"${name}" claim is not a number`);
  return seconds * 1000;
}

export interface TokenFacts {
  readonly fingerprint: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** Read before the names that are always read. */
  readonly entityClaim?: string | undefined;
}

/** Reads a verified token's claims. Throws a `MillraceError` (`unauthorized`) that names the claim, never its value. */
export function identityOf(claims: Claims, facts: TokenFacts): Identity {
  const { fingerprint, issuedAt, expiresAt, entityClaim } = facts;
  const userId = readId(claims, USER_CLAIMS);
  if (userId === undefined) refuse('"sub" claim is missing');
  const entityNames = entityClaim === undefined ? ENTITY_CLAIMS : [entityClaim, ...ENTITY_CLAIMS];
  const entityId = readId(claims, entityNames) ?? DEFAULT_ENTITY;
  if (isReservedEntity(entityId)) {
    refuse('entity begins with "$", which is reserved for the server itself');
  }
  const roles = readRoles(claims.roles);
  const jti = typeof claims.jti === 'string' ? claims.jti : undefined;
  return {
    userId,
    entityId,
    roles,
    expiresAt,
    permissions: new Permissions({ userId, roles, topics: readTopics(claims.topics) }),
    credential: { kind: 'token', fingerprint, jti, issuedAt },
  };
}
