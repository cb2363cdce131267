using Microsoft.Win32.SafeHandles;
using Onnx;

namespace AlignerOnnx.Graph;

/// <summary>The data files of a model, checked as a whole: each is an ordinary file of the folder, every region lies inside it, and no two regions overlap.</summary>
internal static class ExternalDataFiles
{
    /// <summary>Refuses a model whose data files do not hold what its tensors name.</summary>
    /// <param name="tensors">The external tensors, wherever in the model.</param>
    /// <param name="file">The .onnx file.</param>
    /// <exception cref="ModelRefusedException">A file is missing, unsafe or too short, or regions overlap.</exception>
    public static void RequireSound(IEnumerable<TensorProto> tensors, string file) => RequireSound(tensors, file, _ => true);

    /// <summary>The same, where files may be missing.</summary>
    /// <param name="tensors">The external tensors, wherever in the model.</param>
    /// <param name="file">The .onnx file.</param>
    /// <exception cref="ModelRefusedException">A file that is there is unsafe or too short, or regions overlap.</exception>
    public static void RequireSoundWherePresent(IEnumerable<TensorProto> tensors, string file) => RequireSound(tensors, file, Path.Exists);

    private static void RequireSound(IEnumerable<TensorProto> tensors, string file, Func<string, bool> isExpected)
    {
        string folder = Path.GetDirectoryName(file)!;
        foreach (IGrouping<string, Region> regions in tensors.Select(tensor => new Region(tensor, ExternalData.Of(tensor))).GroupBy(region => region.Data.Location))
        {
            if (regions.Key == Path.GetFileName(file))
            {
                throw new ModelRefusedException("External data lies in the .onnx file itself", $"initializer '{regions.First().Name}'", regions.Key, "a data file of its own", "export the model again");
            }
            if (isExpected(Path.Combine(folder, regions.Key)))
            {
                RequireInside(regions, folder);
            }
            RequireApart(regions);
        }
    }

    private static void RequireInside(IEnumerable<Region> regions, string folder)
    {
        Region last = regions.MaxBy(region => region.End)!;
        using SafeFileHandle handle = last.Data.Open(folder, last.Name);
    }

    /// <summary>Tied weights may name the same region; regions that share a part of their bytes are no export of anybody's.</summary>
    private static void RequireApart(IEnumerable<Region> regions)
    {
        Region? before = null;
        foreach (Region region in regions.Where(region => region.Data.Length > 0).OrderBy(region => region.Data.Offset).ThenBy(region => region.End))
        {
            bool same = before is not null && before.Data == region.Data;
            if (before is not null && !same && region.Data.Offset < before.End)
            {
                throw new ModelRefusedException("Two tensors overlap in a data file", $"initializers '{before.Name}' and '{region.Name}' in {region.Data.Location}",
                    $"bytes {before.Data.Offset} to {before.End} and {region.Data.Offset} to {region.End}", "regions that are apart, or the same", "export the model again");
            }
            before = region;
        }
    }

    private sealed record Region(TensorProto Tensor, ExternalData Data)
    {
        public string Name => Tensor.Name;

        public long End => Data.Offset + Data.Length;
    }
}
