/** Bytes of all sessions since the start, as they were on the wire: compressed, with frames, without TLS. */
export interface Traffic {
  bytesSent: number;
  bytesReceived: number;
}

export function createTraffic(): Traffic {
  return { bytesSent: 0, bytesReceived: 0 };
}
