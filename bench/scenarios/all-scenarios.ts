import type { Scenario } from '../scenario.ts';
import { appendInProcess } from './append-in-process.ts';
import { appendWebSocket } from './append-websocket.ts';
import { compression } from './compression.ts';
import { fanOutScenarios } from './fan-out-scenarios.ts';
import { idle } from './idle.ts';
import { resumeStorm } from './resume-storm.ts';
import { slowClients } from './slow-clients.ts';

export const allScenarios: readonly Scenario[] = [
  ...fanOutScenarios,
  compression,
  idle,
  appendInProcess,
  appendWebSocket,
  resumeStorm,
  slowClients,
];
