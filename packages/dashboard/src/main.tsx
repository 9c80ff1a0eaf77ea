import '@fontsource-variable/geist/index.css';
import '@fontsource-variable/geist-mono/index.css';
import 'sonner/dist/styles.css';
import 'uplot/dist/uPlot.min.css';
import './style/tokens.css';
import './style/base.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/app.tsx';
import { applyTheme, storedTheme } from './app/theme.ts';

applyTheme(storedTheme());
const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
