using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Decoding;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using Onnx;

namespace AlignerOnnx.Kernels.Tests;

/// <summary>Random activations and a random weight of 4 bits, and what their product is.</summary>
internal sealed class Int4Case
{
    private readonly int _rows;
    private readonly int _columns;
    private readonly int _products;
    private readonly int _blockSize;
    private readonly float[] _activations;
    private readonly byte[] _elements;
    private readonly float[] _scales;
    private readonly byte[]? _zeroPoints;

    public Int4Case(int rows, int columns, int products, int blockSize, bool zeroPoints, int seed)
    {
        (_rows, _columns, _products, _blockSize) = (rows, columns, products, blockSize);
        Random random = new(seed);
        _activations = [.. Enumerable.Range(0, rows * columns).Select(_ => (float)((random.NextDouble() - 0.5) * Math.Exp(3 * random.NextDouble())))];
        _elements = new byte[products * Blocks * blockSize / 2];
        random.NextBytes(_elements);
        _scales = [.. Enumerable.Range(0, products * Blocks).Select(_ => (float)(random.NextDouble() - 0.3))];
        _zeroPoints = zeroPoints ? new byte[products * ZeroPointBytes] : null;
        random.NextBytes(_zeroPoints.AsSpan());
    }

    /// <summary>Activations that all round to 127, elements of 15, zero points of 0.</summary>
    public static Int4Case OfLargestValues(int rows, int columns, int products, int blockSize)
    {
        Int4Case made = new(rows, columns, products, blockSize, zeroPoints: true, seed: 1);
        Array.Fill(made._activations, 3);
        Array.Fill(made._elements, (byte)0xFF);
        Array.Clear(made._zeroPoints!);
        return made;
    }

    private int Blocks => (_columns + _blockSize - 1) / _blockSize;

    private int ZeroPointBytes => (Blocks + 1) / 2;

    /// <summary>What ONNX Runtime makes of it, by its own MatMulNBits or by ours in its place.</summary>
    public float[] Run(bool ours)
    {
        OnnxModel model = Model();
        Assert.AreEqual(ours ? 1 : 0, ours ? Int4Products.Apply(model) : 0);
        using SessionOptions options = new() { IntraOpNumThreads = 3 };
        OperatorKernels.Register(options);
        using InferenceSession session = new(model.ToBytes(), options);
        using OrtValue x = OrtValue.CreateTensorValueFromMemory(_activations, [_rows, _columns]);
        using RunOptions run = new();
        using IDisposableReadOnlyCollection<OrtValue> results = session.Run(run, ["x"], [x], ["y"]);
        CollectionAssert.AreEqual(new long[] { _rows, _products }, results[0].GetTensorTypeAndShape().Shape);
        return results[0].GetTensorDataAsSpan<float>().ToArray();
    }

    /// <summary>
    /// The product in double precision, of the activations rounded to int8 by blocks as the operator's documentation says; and how far float32 may be from it: a part of the sum of
    /// magnitudes, or of both sums where the zero points' share is summed apart.
    /// </summary>
    public (double Value, double Tolerance, double ToleranceOfTwoSums) Expected(int row, int product)
    {
        (double sum, double magnitude, double twoSums) = (0, 0, 0);
        for (int block = 0; block < Blocks; block++)
        {
            ReadOnlySpan<float> activations = _activations.AsSpan((row * _columns) + (block * _blockSize), Math.Min(_blockSize, _columns - (block * _blockSize)));
            float largest = 0;
            foreach (float activation in activations)
            {
                largest = Math.Max(largest, Math.Abs(activation));
            }
            double scale = _scales[(product * Blocks) + block] * (double)(largest / 127);
            for (int i = 0; i < activations.Length; i++)
            {
                double rounded = Math.Round(activations[i] * (127 / largest), MidpointRounding.ToEven);
                (int element, int zeroPoint) = (Element(product, (block * _blockSize) + i), ZeroPoint(product, block));
                sum += (element - zeroPoint) * rounded * scale;
                magnitude += Math.Abs((element - zeroPoint) * rounded * scale);
                twoSums += Math.Abs((element + zeroPoint) * rounded * scale);
            }
        }
        return (sum, 1e-6 * magnitude, 1e-6 * twoSums);
    }

    private int Element(int product, int column) => Half(_elements, (product * Blocks * _blockSize) + column);

    private int ZeroPoint(int product, int block) => _zeroPoints is null ? 8 : Half(_zeroPoints, (product * ZeroPointBytes * 2) + block);

    private static int Half(byte[] bytes, int index) => (bytes[index / 2] >> (4 * (index % 2))) & 0xF;

    private OnnxModel Model()
    {
        string zeroPoints = _zeroPoints is null ? "" : $", uint8[{_products}, {ZeroPointBytes}] z = [\"location\": \"z\"]";
        ModelProto proto = OnnxText.Parse($$"""
            <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
            product (float[b, {{_columns}}] x) => (float[b, {{_products}}] y)
                <uint8[{{_products}}, {{Blocks}}, {{_blockSize / 2}}] q = ["location": "q"], float[{{_products}}, {{Blocks}}] s = ["location": "s"]{{zeroPoints}}>
            {
                y = com.microsoft.MatMulNBits <K = {{_columns}}, N = {{_products}}, bits = 4, block_size = {{_blockSize}}, accuracy_level = 4> (x, q, s{{(_zeroPoints is null ? "" : ", z")}})
            }
            """);
        foreach (TensorProto tensor in proto.Graph.Initializer)
        {
            tensor.ExternalData.Clear();
            tensor.DataLocation = TensorProto.Types.DataLocation.Default;
            tensor.RawData = ByteString.CopyFrom(tensor.Name switch { "q" => _elements, "z" => _zeroPoints!, _ => [.. _scales.SelectMany(BitConverter.GetBytes)] });
        }
        return ModelLoader.FromProto(proto);
    }
}
