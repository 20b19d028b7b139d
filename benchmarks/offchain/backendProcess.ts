/** The model server of the benchmark as a process. Argument: port. */
import { serve } from './backend';

serve(Number(process.argv[2]));
