import { describeEmbedding } from '../embedding-suite.ts';
import { startApp } from './app.ts';

describeEmbedding('Fastify', startApp);
