using AlignerOnnx.Graph;

namespace AlignerOnnx.Adapters;

/// <summary>Writes the folder of a rewritten model, complete or not at all: the graph, the data files and the other files of the original, and <c>aligner.json</c>.</summary>
internal static class ModelFolderOutput
{
    /// <param name="model">The rewritten model; its path is the original's.</param>
    /// <param name="destination">The folder to make; it must not exist, or be empty.</param>
    /// <param name="weights">How the data files get there.</param>
    /// <param name="facts">The content of <c>aligner.json</c>.</param>
    public static void Write(OnnxModel model, string destination, WeightCopy weights, byte[] facts) => AtomicOutput.MakeFolder(destination, folder =>
    {
        string from = Path.GetDirectoryName(model.Path!)!;
        foreach (string file in FilesBeside(model, from))
        {
            WeightFiles.Bring(from, file, folder, model.DataFiles.Contains(file) ? weights : WeightCopy.Copy);
        }
        File.WriteAllBytes(Path.Combine(folder, Path.GetFileName(model.Path!)), model.ToBytes());
        File.WriteAllBytes(Path.Combine(folder, ModelPatcher.FactsFile), facts);
    });

    /// <summary>Names, relative to the folder: the data files, wherever they lie below it, and of a GenAI model folder the other files too.</summary>
    private static IEnumerable<string> FilesBeside(OnnxModel model, string folder)
    {
        IEnumerable<string> others = File.Exists(Path.Combine(folder, ModelPaths.GenAIConfig)) ? Directory.EnumerateFiles(folder).Select(file => Path.GetFileName(file)) : [];
        return others.Where(file => file != Path.GetFileName(model.Path!) && file != ModelPatcher.FactsFile).Union(model.DataFiles);
    }
}
