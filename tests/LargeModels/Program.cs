using System.Globalization;
using AlignerOnnx.LargeModels;
using AlignerOnnx.TestMaterial;

// LargeModels [RUNS] [run]: what the tool takes on the graphs of a 7B and a 70B model; with `run`, what it takes to train on a 7B model and to answer. Prints Markdown for docs/.
// LargeModels write FOLDER: makes the 7B model, with random weights, to try things on.
if (args is ["write", string written])
{
    WriteRandom(ModelSizes.All[0], written);
    return 0;
}
int runs = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 5;
string folder = Material.NewTemporaryFolder();
string output = Path.Combine(folder, Measured.Output);
try
{
    Console.WriteLine("| model | command | s | processor, s | peak memory, MB |\n|---|---|---|---|---|");
    if (args.Contains("run"))
    {
        ModelSizes sizes = ModelSizes.All[0];
        string model = Path.Combine(folder, sizes.Name);
        WriteRandom(sizes, model);
        string[] train = ["train", "sft", model, "--data", Material.PocketData("form-json.train.jsonl"), "-o", output, "--steps", "2", "--batch-size", "8"];
        Report(sizes, "generate --max-tokens 16", ["generate", model, "--prompt", "Tell me where a pig lives.", "--max-tokens", "16"]);
        Report(sizes, "train sft --steps 2 --batch-size 8", train);
        Report(sizes, "train sft --steps 2 --batch-size 8 --recompute", [.. train, "--recompute"]);
        return 0;
    }
    foreach (ModelSizes sizes in ModelSizes.All)
    {
        string model = Path.Combine(folder, sizes.Name);
        LargeModel.Write(sizes, model);
        Report(sizes, "inspect", ["inspect", model]);
        foreach (string slots in (string[])["one-token", "many-token", "portable", "prefix"])
        {
            Report(sizes, $"patch --slots {slots}", ["patch", model, "-o", output, "--slots", slots]);
        }
        Report(sizes, "patch --weights link", ["patch", model, "-o", output, "--weights", "link"]);
    }
    return 0;
}
finally
{
    Directory.Delete(folder, recursive: true);
}

static void WriteRandom(ModelSizes sizes, string model)
{
    LargeModel.Write(sizes, model);
    RandomWeights.Fill(model, sizes);
}

void Report(ModelSizes sizes, string show, string[] arguments)
{
    Measured best = Measured.Best(arguments, runs, folder);
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {sizes.Name} | `{show}` | {best.Time.TotalSeconds:F2} | {best.Processor.TotalSeconds:F2} | {best.PeakBytes / 1e6:F0} |"));
}
