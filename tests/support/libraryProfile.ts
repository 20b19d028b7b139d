/** Importing this first makes every market of the importing spec open its channels with library code. */
import { useLibraryCode } from './market';

useLibraryCode();
