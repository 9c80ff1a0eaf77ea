// Runs a server with the options that its argument has as JSON, says its port, and ends with whoever started it.

import { createServer, type ServerOptions } from '@millrace/server';

const server = await createServer(JSON.parse(process.argv[2] ?? '{}') as ServerOptions);
const { port } = await server.listen();
process.stdin.on('end', () => process.exit()).resume();
process.stdout.write(`${port}\n`);
