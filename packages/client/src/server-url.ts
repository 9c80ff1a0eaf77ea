/** The addresses of one server. */
export interface ServerUrls {
  readonly webSocket: string;
  readonly api: string;
  readonly events: string;
  readonly publish: string;
  readonly history: (topic: string) => string;
  readonly acknowledge: (topic: string) => string;
  readonly liveness: string;
}

/** Throws a `TypeError` for what is not an absolute `http(s)://` or `ws(s)://` URL. */
export function serverUrls(base: string): ServerUrls {
  const url = new URL(base);
  const secure = url.protocol === 'https:' || url.protocol === 'wss:';
  if (!secure && url.protocol !== 'http:' && url.protocol !== 'ws:') {
    throw new TypeError(`the server's URL must begin with http(s):// or ws(s)://: ${base}`);
  }
  const place = url.host + url.pathname.replace(/\/+$/, '');
  const http = `${secure ? 'https' : 'http'}://${place}`;
  const api = `${http}/api/v1`;
  return {
    webSocket: `${secure ? 'wss' : 'ws'}://${place}/ws`,
    api,
    events: `${http}/events`,
    publish: `${api}/events`,
    history: (topic) => `${api}/topics/${encodeURIComponent(topic)}/events`,
    acknowledge: (topic) => `${api}/topics/${encodeURIComponent(topic)}/ack`,
    liveness: `${http}/livez`,
  };
}
