using System.Globalization;
using AlignerOnnx.ModelFuzz;

// ModelFuzz [INPUTS] [SEED]: changes real exports and takes each through load, recognise, patch, save.
// ModelFuzz --libfuzzer, --afl: the same target for a fuzzer that is led by coverage; see docs/fuzzing.md.
string output = Path.Combine(Directory.GetCurrentDirectory(), "artifacts", "fuzz-models");
if (args is ["--libfuzzer"])
{
    CoverageGuided.RunLibFuzzer();
    return 0;
}
if (args is ["--afl"])
{
    CoverageGuided.RunAfl();
    return 0;
}
if (args is ["--corpus", string folder])
{
    CoverageGuided.WriteCorpus(folder);
    return 0;
}
long inputs = args.Length > 0 ? long.Parse(args[0], CultureInfo.InvariantCulture) : 2_000_000;
int seed = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : Environment.TickCount;
return new Fuzzing(seed, output).Run(inputs);
