import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SseData } from './sse-data.ts';

test.each([
  ['data: a\n\ndata:b\n\n', ['a', 'b']],
  ['data: a\r\n\r\n: comment\n\nevent: x\nid: 7\ndata: b\n\n', ['a', 'b']],
  ['data: one\ndata: two\n\n', ['one\ntwo']],
  ['data:\n\n', ['']],
  ['\n\ndata: never whole', []],
])('of %j the data is %j, however it comes', (text, data) => {
  fc.assert(
    fc.property(fc.array(fc.nat(text.length)), (cuts) => {
      const reader = new SseData();
      const places = [0, ...cuts.sort((a, b) => a - b), text.length];
      const read = places.slice(1).flatMap((end, i) => reader.take(text.slice(places[i], end)));
      expect(read).toEqual(data);
    }),
  );
});
