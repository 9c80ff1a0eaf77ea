/** A door of the server. */
export interface AsyncApiServer {
  readonly host: string;
  readonly pathname: string;
  readonly protocol: string;
  readonly title: string;
  readonly description: string;
  readonly security: readonly { readonly $ref: string }[];
  readonly variables?: Readonly<Record<string, { readonly default: string; readonly description: string }>>;
}

/** How a token may come at every door. */
export const SECURITY_SCHEMES = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'A JWT or an API key: `Authorization: Bearer <token>`.',
  },
  token: {
    type: 'httpApiKey',
    in: 'query',
    name: 'token',
    description:
      'The same, for clients that cannot send headers. It ends up in proxies’ logs: prefer the header.',
  },
} as const;

export const SECURITY: readonly { readonly $ref: string }[] = Object.keys(SECURITY_SCHEMES).map((name) => ({
  $ref: `#/components/securitySchemes/${name}`,
}));

interface Door {
  readonly protocol: 'ws' | 'http';
  readonly path: string;
  readonly title: string;
  readonly description: string;
}

const DOORS: Readonly<Record<string, Door>> = {
  websocket: {
    protocol: 'ws',
    path: '/ws',
    title: 'WebSocket',
    description: 'Subscribes to and publishes on any number of topics; one JSON object a message.',
  },
  bare: {
    protocol: 'ws',
    path: '/ws/{topicPath}',
    title: 'Bare WebSocket',
    description: 'Sends the events of one topic as flat objects, for clients that only listen and parse.',
  },
  sse: {
    protocol: 'http',
    path: '/events',
    title: 'Server-sent events',
    description: 'Sends the events of `?topics=`, a list of topics and patterns separated by commas.',
  },
  http: {
    protocol: 'http',
    path: '/api/v1',
    title: 'HTTP API',
    description: 'Publishes events by `POST /events`, and reads what was published.',
  },
};

const HOST = {
  default: 'localhost:3001',
  description: 'Host and port of the server.',
};

const TOPIC_PATH = {
  default: 'task/build-7',
  description: 'The topic, its dots written as slashes.',
};

/** Where clients reach the server. */
export interface ServerAddress {
  readonly host: string;
  /** What stands before every path, such as `/realtime`; empty for none. */
  readonly prefix: string;
  readonly secure: boolean;
}

const ANY_ADDRESS: ServerAddress = { host: '{host}', prefix: '', secure: false };

function variablesOf(host: string, path: string): AsyncApiServer['variables'] {
  const variables = {
    ...(host === ANY_ADDRESS.host && { host: HOST }),
    ...(path.includes('{topicPath}') && { topicPath: TOPIC_PATH }),
  };
  return Object.keys(variables).length > 0 ? variables : undefined;
}

/** The doors, at an address, or at one that is left open. */
export function serversOf(address: ServerAddress = ANY_ADDRESS): Record<string, AsyncApiServer> {
  const { host, prefix, secure } = address;
  const doors = Object.entries(DOORS).map(([name, { protocol, path, title, description }]) => {
    const variables = variablesOf(host, path);
    const server: AsyncApiServer = {
      host,
      pathname: prefix + path,
      protocol: secure ? `${protocol}s` : protocol,
      title,
      description,
      security: SECURITY,
      ...(variables !== undefined && { variables }),
    };
    return [name, server] as const;
  });
  return Object.fromEntries(doors);
}
