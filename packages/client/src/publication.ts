import { MillraceError, type PublishMessage } from '@millrace/protocol';

const encoder = new TextEncoder();

/** What the application gave, where an option may be spelled out as `undefined`. */
export type Publication = {
  readonly [Field in keyof Omit<PublishMessage, 'type'>]: PublishMessage[Field] | undefined;
};

/**
 * Encodes at once, so that later changes of `data` do not count. Throws a `MillraceError`: `bad-message` for data that
 * JSON cannot say, `too-large` for what would cost the connection ([LIM-1]).
 */
export function encodePublication(publication: Publication, maxMessageBytes: number): string {
  const { topic, data } = publication;
  let text: string;
  try {
    text = JSON.stringify({ type: 'publish', ...publication, data: data === undefined ? null : data });
  } catch (cause) {
    throw new MillraceError('bad-message', `${topic}: the data cannot be written as JSON: ${String(cause)}`, {
      cause,
    });
  }
  // A UTF-16 unit is at most three bytes, so most messages need not be measured.
  if (text.length * 3 > maxMessageBytes && encoder.encode(text).length > maxMessageBytes) {
    throw new MillraceError(
      'too-large',
      `${topic}: the message is larger than ${maxMessageBytes} bytes; split the data`,
    );
  }
  return text;
}
