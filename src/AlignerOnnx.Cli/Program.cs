using AlignerOnnx.Cli;

return await AlignerTool.RunAsync(args).ConfigureAwait(false);
