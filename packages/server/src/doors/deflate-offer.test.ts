import { describe, expect, test } from 'vitest';
import { acceptDeflate } from './deflate-offer.ts';

const BASE = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';

describe('offers', () => {
  const accepted: [string, string, number, string][] = [
    ['a bare one', 'permessage-deflate', 15, BASE],
    ['a browser’s', 'permessage-deflate; client_max_window_bits', 15, BASE],
    ['one with everything', `${BASE}; client_max_window_bits=9`, 15, BASE],
    [
      'the largest window',
      'permessage-deflate; server_max_window_bits=15',
      15,
      `${BASE}; server_max_window_bits=15`,
    ],
    [
      'a smaller window',
      'permessage-deflate; server_max_window_bits=14',
      12,
      `${BASE}; server_max_window_bits=12`,
    ],
    [
      'the smallest window',
      'permessage-deflate; server_max_window_bits="9"',
      9,
      `${BASE}; server_max_window_bits=9`,
    ],
    ['a second choice', 'permessage-deflate; server_max_window_bits=8, permessage-deflate', 15, BASE],
    ['others before it', 'x-webkit-deflate-frame, Permessage-Deflate', 15, BASE],
  ];
  test.each(accepted)('[COMP-1] %s is accepted', (_, offer, windowBits, answer) => {
    expect(acceptDeflate(offer)).toEqual({ windowBits, answer });
  });

  const declined: [string, string | undefined][] = [
    ['none', undefined],
    ['an empty one', ''],
    ['another extension', 'bbf-usp-protocol'],
    ['a window that zlib does not have', 'permessage-deflate; server_max_window_bits=8'],
    ['a window that there is not', 'permessage-deflate; server_max_window_bits=16'],
    ['a window with a leading zero', 'permessage-deflate; server_max_window_bits=09'],
    ['a window without a number', 'permessage-deflate; server_max_window_bits'],
    ['a wrong window of the client', 'permessage-deflate; client_max_window_bits=7'],
    ['a value where none belongs', 'permessage-deflate; server_no_context_takeover=1'],
    ['an unknown parameter', 'permessage-deflate; mode=fast'],
    ['a parameter twice', 'permessage-deflate; client_max_window_bits; client_max_window_bits'],
    ['a name inside another’s quotes', 'x; y="a, permessage-deflate"'],
  ];
  test.each(declined)('[COMP-1] %s is not, and no error', (_, offer) => {
    expect(acceptDeflate(offer)).toBeUndefined();
  });
});
