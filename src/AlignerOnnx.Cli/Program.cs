using AlignerOnnx.Cli;
using AlignerOnnx.Training;

// The tool starts itself as the process of the native training library, which no command of a user is.
return args is [OrtTrainingWorker.Argument, string requests, string replies]
    ? OrtTrainingWorker.Run(requests, replies)
    : await AlignerTool.RunAsync(args).ConfigureAwait(false);
