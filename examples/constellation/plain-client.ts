export type Frame = Readonly<Record<string, unknown>>;

/** One socket of a plain client, and how much it wants to hear. */
export interface PlainSocket {
  readonly url: string;
  /** Sent once it is open. */
  readonly messages: readonly object[];
  readonly frames: number;
  /** From the first event to the last, in ms, by their timestamps. */
  readonly spanMs: number;
}

/**
 * A client with nothing but `WebSocket` and `JSON.parse`: resolves with what each socket heard. It stands by itself, so
 * that a page can run it as it is.
 */
export function hear(sockets: readonly PlainSocket[]): Promise<Frame[][]> {
  const hearOne = ({ url, messages, frames: wanted, spanMs }: PlainSocket): Promise<Frame[]> =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      const frames: Frame[] = [];
      let firstMs = 0;
      socket.onopen = () => {
        for (const message of messages) socket.send(JSON.stringify(message));
      };
      socket.onmessage = ({ data }) => {
        const frame = JSON.parse(data as string) as Frame;
        frames.push(frame);
        const timeMs = Date.parse(String(frame.timestamp));
        if (Number.isNaN(timeMs)) return;
        firstMs ||= timeMs;
        if (frames.length < wanted || timeMs - firstMs < spanMs) return;
        resolve(frames);
        socket.close();
      };
      socket.onerror = () => reject(new Error(`${url} cannot be reached`));
      socket.onclose = ({ code, reason }) => reject(new Error(`${url} was closed: ${code} ${reason}`));
    });
  return Promise.all(sockets.map(hearOne));
}
