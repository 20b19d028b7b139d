/** Runs the gateway's commands alone, without the rest of the command line. */
import { gatewayCommand } from '../../../../offchain/cli/gateway';

gatewayCommand()
    .parseAsync(process.argv)
    .catch((error: unknown) => {
        process.stderr.write(`${(error as Error).message}\n`);
        process.exitCode = 1;
    });
