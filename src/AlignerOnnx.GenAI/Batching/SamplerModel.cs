using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntimeGenAI;

namespace AlignerOnnx.GenAI;

/// <summary>
/// GenAI's part of a batched model: its tokenizer, its chat template and its search (temperature, top-k, top-p, seeds, guidance), on a decoder that computes nothing. The logits
/// come from the batch. So the weights are in memory once, and answers are chosen by the same code whichever way they are computed.
/// </summary>
internal static class SamplerModel
{
    private const string Decoder = "aligner-sampler.onnx";

    private static JsonObject Overlay => new()
    {
        ["model"] = new JsonObject
        {
            ["decoder"] = new JsonObject
            {
                ["filename"] = Decoder,
                ["inputs"] = new JsonObject { ["input_ids"] = BatchForm.InputIds },
                ["outputs"] = new JsonObject { ["logits"] = BatchForm.Logits },
            },
        },
    };

    /// <summary>Loads the parts of a model folder beside its decoder.</summary>
    /// <exception cref="ModelRefusedException">GenAI cannot load them.</exception>
    internal static NativeModel Load(string folder, GenAIConfig facts) => new(folder, () =>
    {
        byte[] decoder = EmptyDecoder(facts.VocabularySize).ToByteArray();
        // The native library keeps the address until the model is made.
        GCHandle pinned = GCHandle.Alloc(decoder, GCHandleType.Pinned);
        try
        {
            using Config config = new(folder);
            config.Overlay(Overlay.ToJsonString());
            config.AddModelData(Decoder, decoder);
            return new Model(config);
        }
        finally
        {
            pinned.Free();
        }
    });

    private static Onnx.ModelProto EmptyDecoder(int vocabulary) => OnnxText.Parse($$"""
        <ir_version: 8, opset_import: ["" : 17]>
        sampler (int64[batch, length] {{BatchForm.InputIds}}) => (float[batch, length, {{vocabulary}}] {{BatchForm.Logits}})
        <int64[1] width = {{{vocabulary}}}>
        {
           sizes = Shape ({{BatchForm.InputIds}})
           shape = Concat <axis = 0> (sizes, width)
           {{BatchForm.Logits}} = ConstantOfShape (shape)
        }
        """);
}
