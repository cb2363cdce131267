using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Exporters;

/// <summary>Writes a decoder as one exporter does. What is common to all is the order of blocks; how each is written is the exporter's.</summary>
internal abstract class Exporter(DecoderFacts facts, DecoderWeights weights, WeightStorage storage)
{
    protected GraphWriter Graph { get; } = new(facts.Type);

    protected DecoderFacts Facts { get; } = facts;

    protected DecoderWeights Weights { get; } = weights;

    protected WeightStorage Storage { get; } = storage;

    protected virtual long IrVersion => 10;

    protected virtual long Opset => 21;

    /// <summary>The graph as its exporter writes it.</summary>
    public OnnxModel Export()
    {
        Graph.Input("input_ids", DataType.Int64, "batch_size", "sequence_length");
        Begin();
        string x = Scaled(Embed(), Facts.EmbeddingScale);
        string? open = null;
        for (int layer = 0; layer < Facts.Layers; layer++)
        {
            LayerWeights w = Weights.Layers[layer];
            (string h, x) = Enter(x, open, w.Norms[0]);
            string o = Scaled(Leave(Attention(layer, h), w.Norms[1]), Facts.ResidualMultiplier);
            if (Facts.IsParallel)
            {
                open = Graph.Op("Add", o, Mlp(w, h));
                continue;
            }
            (h, x) = Enter(x, o, w.Norms[2]);
            open = Scaled(Leave(Mlp(w, h), w.Norms[3]), Facts.ResidualMultiplier);
        }
        End(x, open!);
        return Graph.Build(IrVersion, Opset);
    }

    /// <summary>Inputs and values that all layers share.</summary>
    protected abstract void Begin();

    /// <summary>What a layer's attention adds to the residual, behind its output projection.</summary>
    protected abstract string Attention(int layer, string h);

    protected abstract string Normalise(string x, Norm norm);

    /// <summary>Normalises a sum and gives both.</summary>
    protected virtual (string Normal, string Sum) NormaliseSum(string x, string addend, Norm norm)
    {
        string sum = Graph.Op("Add", x, addend);
        return (Normalise(sum, norm), sum);
    }

    protected virtual string Embed() => Graph.Op("Gather", Graph.Floats(Weights.Embedding.Rows, DecoderFacts.Vocabulary, Facts.Hidden), "input_ids");

    protected virtual void End(string x, string open)
    {
        string h = NormaliseSum(x, open, Weights.LastNorm).Normal;
        string logits = Graph.Op("MatMul", h, Graph.Floats(Weights.Head.Columns, Facts.Hidden, DecoderFacts.Vocabulary));
        Name(Scaled(logits, Facts.LogitScale), "logits", "batch_size", "sequence_length", DecoderFacts.Vocabulary);
    }

    protected virtual string Mlp(LayerWeights w, string h)
    {
        string gate = Project(h, w.Gate);
        string active = Graph.Op("Mul", gate, Graph.Op("Sigmoid", gate));
        return Project(Graph.Op("Mul", active, Project(h, w.Up)), w.Down);
    }

    /// <summary>Projections, side by side where there are several.</summary>
    protected string Project(string x, params Linear[] parts)
    {
        if (parts.Length == 1)
        {
            string product = Storage.Multiply(Graph, x, parts[0].Matrix, parts[0].Bias);
            return parts[0].Update is { } update ? Graph.Op("Add", product, LowRank(x, update)) : product;
        }
        float[]? bias = parts.All(part => part.Bias is null) ? null : [.. parts.SelectMany(part => part.Bias ?? new float[part.Matrix.Outputs])];
        return Storage.Multiply(Graph, x, Matrix.Stack([.. parts.Select(part => part.Matrix)]), bias);
    }

    protected string Scaled(string x, double factor) => factor == 1 ? x : Graph.Op("Mul", x, Graph.Number(factor));

    /// <summary>Makes a value an output of the graph.</summary>
    protected void Name(string value, string name, params object[] shape)
    {
        Graph.Rename(value, name);
        Graph.Output(name, Facts.Type, shape);
    }

    protected (string Key, string Value) PastInputs(int layer) =>
        (Graph.Input($"past_key_values.{layer}.key", Facts.Type, "batch_size", Facts.KeyValueHeads, "past_sequence_length", Facts.HeadSize),
         Graph.Input($"past_key_values.{layer}.value", Facts.Type, "batch_size", Facts.KeyValueHeads, "past_sequence_length", Facts.HeadSize));

    protected (string Key, string Value) PresentOutputs(int layer)
    {
        foreach (string part in new[] { "key", "value" })
        {
            Graph.Output($"present.{layer}.{part}", Facts.Type, "batch_size", Facts.KeyValueHeads, "total_sequence_length", Facts.HeadSize);
        }
        return ($"present.{layer}.key", $"present.{layer}.value");
    }

    private string LowRank(string x, LowRank update)
    {
        string low = Graph.Op("MatMul", x, Graph.Floats(update.Down.Columns, update.Down.Inputs, update.Down.Outputs));
        string high = Graph.Op("MatMul", low, Graph.Floats(update.Up.Columns, update.Up.Inputs, update.Up.Outputs));
        return Graph.Op("Mul", high, Graph.Number(Exporters.LowRank.Factor));
    }

    private (string Normal, string Sum) Enter(string x, string? open, Norm norm)
    {
        if (Facts.Norms == NormPlaces.Behind)
        {
            string sum = open is null ? x : Graph.Op("Add", x, open);
            return (sum, sum);
        }
        return open is null ? (Normalise(x, norm), x) : NormaliseSum(x, open, norm);
    }

    private string Leave(string x, Norm norm) => Facts.Norms == NormPlaces.Before ? x : Normalise(x, norm);
}
