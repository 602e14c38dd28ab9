import { createApp } from './app.ts';
import { runService } from './process.ts';

await runService(createApp);
