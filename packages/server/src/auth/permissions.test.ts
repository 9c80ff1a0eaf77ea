import {
  coversPattern,
  isHiddenFrom,
  isPrivateTopic,
  matchesPattern,
  ROLES,
  type Role,
} from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Permissions, type TopicGrants } from './permissions.ts';

function permissionsOf(roles: readonly Role[], topics?: TopicGrants, userId = 'alice@x'): Permissions {
  return new Permissions({ userId, roles, topics });
}

const everywhere = [
  'task.a',
  'chat.room',
  'collab.doc',
  'presence.lobby',
  'agent.alice_40x',
  'agents.alice_40x.log',
];

const defaults: readonly (readonly [role: Role, publishable: readonly string[]])[] = [
  ['observer', []],
  ['member', ['chat.room', 'collab.doc', 'presence.lobby']],
  ['agent', ['agent.alice_40x', 'agents.alice_40x.log']],
  ['publisher', everywhere],
  ['admin', everywhere],
];

describe('Permissions', () => {
  test.for(defaults)('[AUTH-6] %s reads everything and publishes to %j by default', ([role, publishable]) => {
    const permissions = permissionsOf([role]);
    expect(everywhere.filter((topic) => permissions.mayPublish(topic))).toEqual(publishable);
    expect(everywhere.every((topic) => permissions.mayRead(topic))).toBe(true);
    expect(permissions.maySubscribe('*')).toBe(true);
    expect(permissions.maySubscribe('task.*.log')).toBe(true);
  });

  test('[AUTH-6] an agent does not publish in the name of another', () => {
    const permissions = permissionsOf(['agent']);
    expect(permissions.mayPublish('agent.bob')).toBe(false);
    expect(permissions.mayPublish('agents.alice_40xy.log')).toBe(false);
  });

  test('[AUTH-6] roles add up', () => {
    const permissions = permissionsOf(['observer', 'member', 'agent']);
    expect(permissions.mayPublish('chat.room')).toBe(true);
    expect(permissions.mayPublish('agent.alice_40x')).toBe(true);
    expect(permissions.mayPublish('task.a')).toBe(false);
  });

  test('[AUTH-6] each list of the claim takes the place of the default of its verb', () => {
    const permissions = permissionsOf(['member'], { subscribe: ['task.build.*'] });
    expect(permissions.maySubscribe('task.build.*')).toBe(true);
    expect(permissions.maySubscribe('task.build.7')).toBe(true);
    expect(permissions.maySubscribe('task.*')).toBe(false);
    expect(permissions.maySubscribe('*')).toBe(false);
    expect(permissions.mayRead('task.build')).toBe(false);
    expect(permissions.mayPublish('chat.room')).toBe(true);

    const publishing = permissionsOf(['member'], { publish: ['doc.7'] });
    expect(publishing.mayPublish('doc.7')).toBe(true);
    expect(publishing.mayPublish('chat.room')).toBe(false);
    expect(publishing.maySubscribe('*')).toBe(true);
  });

  test('[AUTH-6] an empty list permits nothing', () => {
    const permissions = permissionsOf(['admin'], { subscribe: [], publish: [] });
    expect(permissions.readable()).toEqual([]);
    expect(permissions.maySubscribe('task.a')).toBe(false);
    expect(permissions.mayPublish('task.a')).toBe(false);
  });

  test('[AUTH-6] no claim makes an observer publish', () => {
    expect(permissionsOf(['observer'], { publish: ['*'] }).mayPublish('task.a')).toBe(false);
  });

  test('broadcasting takes a publisher or admin, administering an admin', () => {
    const able = (may: (permissions: Permissions) => boolean) =>
      ROLES.filter((role) => may(permissionsOf([role])));
    expect(able((permissions) => permissions.mayBroadcast)).toEqual(['publisher', 'admin']);
    expect(able((permissions) => permissions.mayAdminister)).toEqual(['admin']);
  });

  test.for(ROLES)('[AUTH-8] %s reads its own inbox and no other', (role) => {
    const permissions = permissionsOf([role]);
    expect(permissions.maySubscribe('user.alice_40x')).toBe(true);
    expect(permissions.maySubscribe('user.alice_40x.*')).toBe(true);
    expect(permissions.mayRead('user.alice_40x.mail')).toBe(true);
    for (const pattern of ['user.bob', 'user.bob.*', 'user.*', 'user.*.mail', 'user', 'user.alice_40xy']) {
      expect(permissions.maySubscribe(pattern), pattern).toBe(false);
    }
    expect(permissions.mayRead('user.bob')).toBe(false);
  });

  test.for<[patterns: readonly string[], readable: readonly string[]]>([
    [['*'], ['*', 'user.alice', 'user.alice.*']],
    [['*.*'], ['*.*', 'user.alice', 'user.alice.*']],
    [['user.*'], ['user.alice', 'user.alice.*']],
    [['user.*.mail'], ['user.alice.mail']],
    [['*.alice'], ['*.alice', 'user.alice']],
    [['*.bob', 'user.bob.*', 'user'], ['*.bob']],
    [['task.*', 'task.*'], ['task.*']],
  ])('[AUTH-8] of %j a user reads %j', ([subscribe, readable]) => {
    expect(permissionsOf(['admin'], { subscribe }, 'alice').readable()).toEqual(readable);
  });

  test.for(ROLES)('[AUTH-8] whether %s writes into inboxes is not for the claim to say', (role) => {
    const permissions = permissionsOf([role], { publish: ['*', 'user.*'] });
    expect(permissions.mayPublish('user.bob')).toBe(role === 'publisher' || role === 'admin');
  });

  test.for(ROLES)('[SEND-3] %s writes what reaches sessions unasked only if it may broadcast', (role) => {
    const permissions = permissionsOf([role], { publish: ['*'] });
    for (const topic of ['system.broadcast', 'session.k3-1', 'user.bob']) {
      expect(permissions.mayPublish(topic), topic).toBe(role === 'publisher' || role === 'admin');
    }
    expect(permissionsOf(['admin'], { publish: ['task.*'] }).mayPublish('system.broadcast')).toBe(false);
  });

  test.for(ROLES)('[SEND-5] %s reads the topic of no session, whatever the token lists', (role) => {
    const permissions = permissionsOf([role], { subscribe: ['*', 'session.*', 'session.k3-1'] });
    for (const pattern of ['session', 'session.*', 'session.k3-1']) {
      expect(permissions.maySubscribe(pattern), pattern).toBe(false);
    }
    expect(permissions.mayRead('session.k3-1')).toBe(false);
    expect(permissions.readable()).not.toContain('session.*');
  });

  test.for(ROLES)('[CTRL-3] %s follows a control topic by its name if it runs things', (role) => {
    const runs = ['agent', 'publisher', 'admin'].includes(role);
    const permissions = permissionsOf([role]);
    expect(permissions.maySubscribe('control.x-1')).toBe(runs);
    expect(permissions.mayRead('control.x-1')).toBe(runs);
    for (const pattern of ['control.*', 'control.*.x']) {
      expect(permissionsOf([role], { subscribe: ['*', 'control.*'] }).maySubscribe(pattern)).toBe(false);
    }
    expect(permissionsOf([role], { subscribe: ['tool.*'] }).maySubscribe('control.x-1')).toBe(false);
    expect(permissionsOf([role], { subscribe: ['control.*'] }).maySubscribe('control.x-1')).toBe(runs);
    expect(permissionsOf([role], { subscribe: ['control.*'] }).readable()).toEqual([]);
  });

  test.for(ROLES)('[CTRL-2] %s writes to no control topic, whatever the token lists', (role) => {
    expect(permissionsOf([role], { publish: ['*', 'control.*'] }).mayPublish('control.x-1')).toBe(false);
  });

  test('[AUTH-8] whatever the token lists, no subscription delivers what is private to others', () => {
    const segment = fc.constantFrom('*', 'user', 'session', 'control', 'me', 'bob', 'x');
    const pattern = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('.'));
    const topic = pattern.filter((text) => !text.includes('*'));
    fc.assert(
      fc.property(fc.array(pattern), pattern, topic, (subscribe, asked, published) => {
        const permissions = permissionsOf(['admin'], { subscribe }, 'me');
        const delivered =
          permissions.maySubscribe(asked) &&
          matchesPattern(asked, published) &&
          !isHiddenFrom(asked, published);
        const own = published === 'user.me' || published.startsWith('user.me.');
        if (delivered) expect(own || !isPrivateTopic(published)).toBe(true);
        if (delivered) expect(permissions.mayRead(published)).toBe(true);
        expect(permissions.readable().every((readable) => permissions.maySubscribe(readable))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test('[AUTH-6] a subscription is permitted only when one of the patterns listed covers it', () => {
    const segment = fc.constantFrom('*', 'a', 'b');
    const pattern = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('.'));
    fc.assert(
      fc.property(fc.array(pattern), pattern, (subscribe, asked) => {
        const covered = subscribe.some((outer) => coversPattern(outer, asked));
        expect(permissionsOf(['observer'], { subscribe }).maySubscribe(asked)).toBe(covered);
      }),
    );
  });
});
