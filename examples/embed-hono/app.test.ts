import { describeEmbedding } from '../embedding-suite.ts';
import { startApp } from './app.ts';

describeEmbedding('Hono', startApp);
