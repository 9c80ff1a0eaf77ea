import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { scanView } from '../views/scan.ts';
import { count, durationMs, id, percent, producedAt, text } from './fields.ts';

const scan_id = Type.Optional(id('The scan; the topic tells when it is missing.'));

export const scanFamily = eventFamily({
  name: 'scan',
  description: 'A search for something, such as weaknesses of a site, and what it finds.',
  topics: ['scan.*'],
  view: scanView,
  events: [
    eventType({
      name: 'scan.started',
      description: 'A scan began.',
      data: Type.Object({
        scan_id,
        target: Type.Optional(text('What is scanned.')),
        total: Type.Optional(count('How many things there are to look at, when that is known.')),
        producedAt,
      }),
      example: { scan_id: 's-4', target: 'https://shop.example', total: 240 },
    }),
    eventType({
      name: 'scan.progress',
      description: 'A scan came further.',
      data: Type.Object({
        scan_id,
        progress: percent('How much is done, 0–100.'),
        message: Type.Optional(text('What it is looking at.')),
        findings: Type.Optional(count('What was found so far.')),
        eta_seconds: Type.Optional(
          Type.Number({ minimum: 0, description: 'Time left, as far as the rate tells.' }),
        ),
        producedAt,
      }),
      example: { scan_id: 's-4', progress: 25, message: '/checkout', findings: 1 },
    }),
    eventType({
      name: 'scan.finding',
      description: 'A scan found something.',
      data: Type.Object({
        scan_id,
        type: text('What kind of finding.'),
        severity: text('How bad: `info`, `low`, `medium`, `high`, `critical`.'),
        url: text('Where.'),
        message: Type.Optional(text('What it means.')),
        producedAt,
      }),
      example: { scan_id: 's-4', type: 'xss', severity: 'high', url: 'https://shop.example/search?q=' },
    }),
    eventType({
      name: 'scan.completed',
      description: 'A scan ended; with `error` when before its time.',
      data: Type.Object({
        scan_id,
        findings: Type.Optional(count('What was found in all.')),
        duration_ms: Type.Optional(durationMs('From its start.')),
        error: Type.Optional(text('Why it could not finish.')),
        producedAt,
      }),
      example: { scan_id: 's-4', findings: 3, duration_ms: 61_000 },
    }),
  ],
});
