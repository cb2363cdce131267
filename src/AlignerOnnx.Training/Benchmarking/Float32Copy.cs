using System.Runtime.InteropServices;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Training;

/// <summary>A model whose quantised projections are MatMul with float32 weights, [K, N] as exporters store them, in a temporary folder: the same model of float32, for comparison.</summary>
internal sealed class Float32Copy : IDisposable
{
    private const string DataFile = "float32.data";
    private readonly string _folder;

    private Float32Copy(string folder, OnnxModel model)
    {
        _folder = folder;
        Model = model;
    }

    /// <summary>The copy; valid until it is disposed.</summary>
    public OnnxModel Model { get; }

    /// <summary>Makes the copy; a weight that several products share is stored once.</summary>
    /// <exception cref="ModelRefusedException">A weight is quantised in a way that is not supported here.</exception>
    public static Float32Copy Of(OnnxModel original)
    {
        string folder = Directory.CreateTempSubdirectory("aligner-float32-").FullName;
        try
        {
            OnnxModel copy = original.Clone();
            using (FileStream data = File.Create(Path.Combine(folder, DataFile)))
            {
                foreach (Node product in copy.Graph.Nodes.Where(node => node.Is("MatMulNBits", Domains.Microsoft)).ToArray())
                {
                    Replace(copy.Graph, product, data);
                }
            }
            copy.Graph.RemoveUnused();
            foreach (string file in original.DataFiles)
            {
                File.Copy(Path.Combine(Path.GetDirectoryName(original.Path!)!, file), Path.Combine(folder, file));
            }
            string path = Path.Combine(folder, "model.onnx");
            File.WriteAllBytes(path, copy.ToBytes());
            return new Float32Copy(folder, ModelLoader.Load(path));
        }
        catch
        {
            Directory.Delete(folder, recursive: true);
            throw;
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static void Replace(OnnxGraph graph, Node product, Stream data)
    {
        QuantisedWeight weight = QuantisedWeight.Of(product);
        if (weight.Bits is not (4 or 8) || weight.BlockOfColumn is not null || weight.HasNumericZeroPoints || product.Input(5) is not null)
        {
            throw new ModelRefusedException("A quantised weight cannot be made float32 here", product.ToString(), $"{weight.Bits} bits, a group index, a bias or zero points that are not packed bytes", "4 or 8 bits, packed zero points");
        }
        string name = $"{weight.Elements.Name}.float32";
        Value stored = graph.Find(name) ?? graph.AddInitializer(Write(name, weight, data));
        (string output, TypeProto? type, bool isGraphOutput, Value x) = (product.Output.Name, product.Output.Type, product.Output.IsGraphOutput, product.Input(0)!);
        Use[] uses = [.. product.Output.Uses];
        OnnxGraph.ReplaceUses(product.Output, x);
        if (isGraphOutput)
        {
            graph.RemoveOutput(product.Output);
        }
        graph.RemoveNode(product);
        // The name stays: it may be that of an output of the model.
        Value replaced = graph.AddNode("MatMul", Domains.Standard, $"{output}.float32", [x, stored], [output]).Output;
        replaced.Type = type;
        foreach (Use use in uses)
        {
            use.Node.Rewire(use.Input, replaced);
        }
        if (isGraphOutput)
        {
            graph.AddOutput(replaced, type!);
        }
    }

    private static TensorProto Write(string name, QuantisedWeight weight, Stream data)
    {
        byte[] elements = weight.Elements.Initializer!.ReadBytes();
        float[] scales = weight.Scales.Initializer!.ReadSingles();
        byte[]? zeros = weight.ZeroPoints?.Initializer!.ReadBytes();
        float[] numbers = new float[weight.Columns * weight.Rows];
        for (long row = 0; row < weight.Rows; row++)
        {
            for (long column = 0; column < weight.Columns; column++)
            {
                long block = column / weight.BlockSize;
                int zero = zeros is null ? 1 << (weight.Bits - 1) : Part(zeros, weight.Bits, row * weight.ZeroPointBytesPerRow, block);
                int element = Part(elements, weight.Bits, row * weight.PaddedColumns * weight.Bits / 8, column);
                numbers[(column * weight.Rows) + row] = (element - zero) * scales[(row * weight.BlocksPerRow) + block];
            }
        }
        TensorProto tensor = new() { Name = name, DataType = (int)DataType.Float };
        tensor.Dims.AddRange([weight.Columns, weight.Rows]);
        new ExternalData(DataFile, data.Position, (long)numbers.Length * sizeof(float)).WriteTo(tensor);
        data.Write(MemoryMarshal.AsBytes<float>(numbers));
        return tensor;
    }

    /// <summary>Elements stand in bytes with the low bits first.</summary>
    private static int Part(byte[] bytes, int bits, long first, long index) => bits == 8 ? bytes[first + index] : (bytes[first + (index / 2)] >> (int)(4 * (index % 2))) & 0xF;
}
