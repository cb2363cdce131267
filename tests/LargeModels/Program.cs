using System.Globalization;
using AlignerOnnx.LargeModels;
using AlignerOnnx.TestMaterial;

// LargeModels [RUNS]: what the tool takes on the graphs of a 7B and a 70B model. Prints Markdown for docs/.
int runs = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 5;
string folder = Material.NewTemporaryFolder();
try
{
    Console.WriteLine("| model | command | s | processor, s | peak memory, MB |\n|---|---|---|---|---|");
    foreach (ModelSizes sizes in ModelSizes.All)
    {
        string model = Path.Combine(folder, sizes.Name);
        LargeModel.Write(sizes, model);
        (string Show, string[] Arguments)[] commands =
        [
            ("inspect", ["inspect", model]),
            .. new[] { "one-token", "many-token", "portable", "prefix" }.Select(slots => ($"patch --slots {slots}", (string[])["patch", model, "-o", Path.Combine(folder, "patched"), "--slots", slots])),
            ("patch --weights link", ["patch", model, "-o", Path.Combine(folder, "patched"), "--weights", "link"]),
        ];
        foreach ((string show, string[] arguments) in commands)
        {
            Measured best = Measured.Best(arguments, runs, folder);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {sizes.Name} | `{show}` | {best.Time.TotalSeconds:F2} | {best.Processor.TotalSeconds:F2} | {best.PeakBytes / 1e6:F0} |"));
        }
    }
    return 0;
}
finally
{
    Directory.Delete(folder, recursive: true);
}
