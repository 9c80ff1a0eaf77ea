export * from './engine-contract.ts';
export * from './manual-clock.ts';
export * from './notification-bus.ts';
export * from './power-cut.ts';
export * from './sse-client.ts';
export * from './test-client.ts';
export * from './test-server.ts';
export * from './until.ts';
