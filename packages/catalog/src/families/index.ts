import type { EventsOf } from '../event-family.ts';
import { agentFamily } from './agent.ts';
import { alertFamily } from './alert.ts';
import { bridgeFamily } from './bridge.ts';
import { businessFamily } from './business.ts';
import { chatFamily } from './chat.ts';
import { collaborationFamily } from './collaboration.ts';
import { controlFamily } from './control.ts';
import { hostFamily } from './host.ts';
import { metricsFamily } from './metrics.ts';
import { presenceFamily } from './presence.ts';
import { projectFamily } from './project.ts';
import { scanFamily } from './scan.ts';
import { systemFamily } from './system.ts';
import { taskFamily } from './task.ts';
import { toolFamily } from './tool.ts';
import { workflowFamily } from './workflow.ts';

/** The families that come with Millrace. Of two that match a topic, the first has its view. */
export const builtInFamilies = [
  taskFamily,
  toolFamily,
  workflowFamily,
  scanFamily,
  agentFamily,
  metricsFamily,
  hostFamily,
  alertFamily,
  bridgeFamily,
  projectFamily,
  businessFamily,
  chatFamily,
  presenceFamily,
  collaborationFamily,
  controlFamily,
  systemFamily,
] as const;

/** The events that come with Millrace, by name, with the types of their data. */
export type MillraceEvents = EventsOf<typeof builtInFamilies>;
