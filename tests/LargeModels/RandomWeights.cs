using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using AlignerOnnx.TestMaterial;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.LargeModels;

/// <summary>
/// Makes a large model one that runs: fills the holes of its data file, with scales that keep activations near 1, norms of 1 and the true rotary caches, and adds the embedded model's tokenizer. What it answers means nothing; what it takes
/// is what a trained model of its size takes.
/// </summary>
internal static class RandomWeights
{
    private const int PartBytes = 1 << 22;
    private const int Seed = 1;
    private const double RotaryBase = 10000;

    // Of the 16 numbers of 4 bits less 8.
    private const double DeviationOfElements = 4.6;

    public static void Fill(string folder, ModelSizes sizes)
    {
        Random random = new(Seed);
        using FileStream data = File.OpenWrite(Path.Combine(folder, "model.onnx.data"));
        foreach (TensorProto tensor in ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(folder, "model.onnx"))).Graph.Initializer)
        {
            data.Position = Entry(tensor, "offset");
            if ((DataType)tensor.DataType == DataType.Uint8)
            {
                WriteElements(data, Entry(tensor, "length"), random);
            }
            else
            {
                data.Write(MemoryMarshal.AsBytes(Numbers(tensor, random).AsSpan()));
            }
        }
        AddTokenizer(folder, sizes);
    }

    private static void WriteElements(FileStream data, long length, Random random)
    {
        byte[] part = new byte[Math.Min(PartBytes, length)];
        random.NextBytes(part);
        for (long left = length; left > 0; left -= part.Length)
        {
            data.Write(part.AsSpan(0, (int)Math.Min(part.Length, left)));
        }
    }

    private static float[] Numbers(TensorProto tensor, Random random)
    {
        long count = Entry(tensor, "length") / sizeof(float);
        if (tensor.Name is "cos_cache" or "sin_cache")
        {
            long pairs = tensor.Dims[1];
            Func<double, double> turn = tensor.Name == "cos_cache" ? Math.Cos : Math.Sin;
            return [.. Enumerable.Range(0, (int)count).Select(i => (float)turn(i / pairs * Math.Pow(RotaryBase, -(double)(i % pairs) / pairs)))];
        }
        if (tensor.Dims.Count == 1)
        {
            return [.. Enumerable.Repeat(1f, (int)count)];
        }
        const int blockSize = 32;
        double scale = 1 / (DeviationOfElements * Math.Sqrt(tensor.Dims[1] * blockSize));
        return [.. Enumerable.Range(0, (int)count).Select(_ => (float)(scale * (0.5 + random.NextDouble())))];
    }

    private static void AddTokenizer(string folder, ModelSizes sizes)
    {
        foreach (string file in (string[])["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"])
        {
            File.Copy(Path.Combine(Material.Pocket(), file), Path.Combine(folder, file));
        }
        string config = Path.Combine(folder, "genai_config.json");
        JsonNode facts = JsonNode.Parse(File.ReadAllText(config))!;
        JsonNode decoder = facts["model"]!["decoder"]!;
        facts["model"]!["vocab_size"] = ModelSizes.Vocabulary;
        (decoder["head_size"], decoder["hidden_size"]) = (sizes.HeadSize, sizes.Hidden);
        (decoder["num_attention_heads"], decoder["num_key_value_heads"], decoder["num_hidden_layers"]) = (sizes.QueryHeads, sizes.KeyValueHeads, sizes.Layers);
        File.WriteAllText(config, facts.ToJsonString());
    }

    private static long Entry(TensorProto tensor, string key) => long.Parse(tensor.ExternalData.First(entry => entry.Key == key).Value, CultureInfo.InvariantCulture);
}
