/** The model server of a soak as a process. Arguments: port and seed. */
import { serve } from './backend';

const [port, seed] = process.argv.slice(2).map(Number);
serve(port, seed);
