export * from './engine-contract.ts';
export * from './manual-clock.ts';
export * from './notification-bus.ts';
export * from './until.ts';
