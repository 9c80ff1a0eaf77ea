import { ManualClock } from '@millrace/testkit';
import { beforeEach, describe, expect, test } from 'vitest';
import { addressKey } from './address.ts';
import { type Ban, Bans } from './bans.ts';
import { Violations } from './violations.ts';

let clock: ManualClock;
let banned: Ban[];
let bans: Bans;
let lines: object[];
let violations: Violations;

beforeEach(() => {
  clock = new ManualClock();
  banned = [];
  lines = [];
  bans = new Bans({ clock, durationMs: 300_000, onBanned: (ban) => banned.push(ban) });
  violations = new Violations({
    clock,
    bans,
    maxOfUser: 5,
    maxOfAddress: 3,
    windowMs: 10_000,
    log: (fields) => lines.push(fields),
  });
});

const ann = { entityId: 'acme', userId: 'ann' };

describe('a ban', () => {
  test('lasts exactly as long as it was told, and says how long', () => {
    bans.ban({ kind: 'user', ...ann }, 'reasons');
    expect(bans.refusalOfUser('acme', 'ann')).toMatchObject({
      code: 'abuse',
      details: { retryAfterMs: 300_000 },
      message: expect.stringContaining('300 s'),
    });
    clock.advance(299_999);
    expect(bans.refusalOfUser('acme', 'ann')).toMatchObject({ details: { retryAfterMs: 1 } });
    clock.advance(1);
    expect(bans.refusalOfUser('acme', 'ann')).toBeUndefined();
    expect(bans.list()).toEqual([]);
  });

  test('is of one user of one entity, and moves with no step of the wall clock', () => {
    bans.ban({ kind: 'user', ...ann }, 'reasons');
    expect(bans.refusalOfUser('other', 'ann')).toBeUndefined();
    expect(bans.refusalOfUser('acme', 'bob')).toBeUndefined();
    expect(bans.refusalOfAddress('acme')).toBeUndefined();
    clock.stepWall(86_400_000);
    expect(bans.refusalOfUser('acme', 'ann')).toBeDefined();
  });

  test('is not prolonged by another, and told of once', () => {
    bans.ban({ kind: 'user', ...ann }, 'first');
    clock.advance(200_000);
    bans.ban({ kind: 'user', ...ann }, 'second');
    expect(banned.map(({ reason }) => reason)).toEqual(['first']);
    clock.advance(100_000);
    expect(bans.refusalOfUser('acme', 'ann')).toBeUndefined();
    bans.ban({ kind: 'user', ...ann }, 'third');
    expect(bans.list()).toMatchObject([{ reason: 'third', bannedAt: clock.now() }]);
  });

  test('can be lifted by its id', () => {
    bans.ban({ kind: 'user', ...ann }, 'reasons');
    bans.ban({ kind: 'address', address: '::ffff:192.0.2.1' }, 'others');
    const [first, second] = bans.list();
    expect(second?.offender).toEqual({ kind: 'address', address: '192.0.2.1' });
    expect(bans.lift('nothing')).toBe(false);
    expect(bans.lift(first?.id ?? '')).toBe(true);
    expect(bans.lift(first?.id ?? '')).toBe(false);
    expect(bans.refusalOfUser('acme', 'ann')).toBeUndefined();
    expect(bans.refusalOfAddress('192.0.2.1')).toBeDefined();
  });

  test('is forgotten for newer ones beyond 10,000', () => {
    for (let i = 0; i <= 10_000; i++) bans.ban({ kind: 'user', entityId: 'e', userId: `u-${i}` }, 'x');
    expect(bans.list()).toHaveLength(10_000);
    expect(bans.refusalOfUser('e', 'u-0')).toBeUndefined();
    expect(bans.refusalOfUser('e', 'u-1')).toBeDefined();
    expect(bans.refusalOfUser('e', 'u-10000')).toBeDefined();
  });
});

describe('violations', () => {
  test('[LIM-6] ban a user at exactly the number, when they fall within the window', () => {
    for (let i = 0; i < 4; i++) violations.byUser('rate-limited', ann);
    expect(banned).toEqual([]);
    clock.advance(9999);
    violations.byUser('rate-limited', ann);
    expect(banned).toMatchObject([{ offender: { kind: 'user', ...ann } }]);
  });

  test('[LIM-6] begin to count anew with the window', () => {
    for (let i = 0; i < 4; i++) violations.byUser('rate-limited', ann);
    clock.advance(10_000);
    for (let i = 0; i < 4; i++) violations.byUser('rate-limited', ann);
    expect(banned).toEqual([]);
    expect(violations.counters['rate-limited']).toBe(8);
  });

  test('[LIM-6] are counted by user, and by address whatever was done there', () => {
    for (let i = 0; i < 20; i++)
      violations.byUser('rate-limited', { entityId: 'acme', userId: `u-${i % 5}` });
    expect(banned).toEqual([]);
    violations.byAddress('bad-token', '192.0.2.1');
    violations.byAddress('stalled-handshake', '::ffff:192.0.2.1');
    violations.byAddress('early-messages', '192.0.2.2');
    expect(banned).toEqual([]);
    violations.byAddress('no-token-in-time', '192.0.2.1');
    expect(banned).toMatchObject([{ offender: { kind: 'address', address: '192.0.2.1' } }]);
  });

  test('too many subscriptions and unfinished messages are counted and logged, and ban nobody', () => {
    for (let i = 0; i < 100; i++) {
      violations.byUser('too-many-subscriptions', ann, 'c-1');
      violations.byUser('stalled-message', ann, 'c-1');
    }
    expect(banned).toEqual([]);
    expect(violations.counters).toMatchObject({ 'too-many-subscriptions': 100, 'stalled-message': 100 });
    expect(lines).toMatchObject([{ violation: 'too-many-subscriptions', ...ann, connectionId: 'c-1' }]);
  });

  test('are logged once a second for each offender, 20 times for all, and what was left out is counted', () => {
    for (let i = 0; i < 4; i++) violations.byUser('rate-limited', ann);
    expect(lines).toHaveLength(1);
    clock.advance(1000);
    violations.byUser('rate-limited', ann);
    expect(lines[1]).toMatchObject({ unlogged: 3 });
    for (let i = 0; i < 1000; i++) violations.byUser('rate-limited', { entityId: 'e', userId: `u-${i}` });
    expect(lines).toHaveLength(1 + 20);
  });
});

describe('the key of an address', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
  ])('of %s is %s', (address, key) => {
    expect(addressKey(address)).toBe(key);
  });
});
