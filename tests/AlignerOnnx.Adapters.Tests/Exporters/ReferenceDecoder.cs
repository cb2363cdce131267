namespace AlignerOnnx.Adapters.Tests.Exporters;

/// <summary>What an adapter gives a decoder.</summary>
/// <param name="Tokens">P, [N][d].</param>
/// <param name="Gates">beta, [L][H], zero below the start layer; null for a concat adapter, whose tokens stand before the sequence in every layer, where windows hide them as they hide any others.</param>
internal sealed record ReferenceAdapter(float[][] Tokens, float[][]? Gates);

/// <summary>
/// Computes a decoder in double precision straight from its definition, one sequence at a time, without a graph: the literal form of the method
/// (arXiv 2312.05503), c = softmax(scale q k^P) v^P of each head in a softmax of its own. Knows nothing of exporters, recognition or folding.
/// </summary>
internal sealed class ReferenceDecoder(DecoderFacts facts, DecoderWeights weights)
{
    /// <summary>The logits of every position, [s][V].</summary>
    public double[][] Logits(IReadOnlyList<long> ids, ReferenceAdapter? adapter = null)
    {
        double[][] x = [.. ids.Select(id => Enumerable.Range(0, facts.Hidden).Select(i => (double)weights.Embedding.Rows[((int)id * facts.Hidden) + i] * facts.EmbeddingScale).ToArray())];
        for (int layer = 0; layer < facts.Layers; layer++)
        {
            Layer(x, layer, adapter);
        }
        return [.. x.Select(row => Scaled(Apply(weights.Head, Normal(row, weights.LastNorm)), facts.LogitScale))];
    }

    private void Layer(double[][] x, int layer, ReferenceAdapter? adapter)
    {
        LayerWeights w = weights.Layers[layer];
        double[][] entry = [.. x.Select(row => Before(row, w.Norms[0]))];
        double[][] attended = Attention(entry, layer, adapter);
        for (int row = 0; row < x.Length; row++)
        {
            double[] o = Scaled(Behind(Apply(w.Output, attended[row]), w.Norms[1]), facts.ResidualMultiplier);
            x[row] = Sum(x[row], o);
            double[] m = Mlp(w, facts.IsParallel ? entry[row] : Before(x[row], w.Norms[2]));
            x[row] = Sum(x[row], Scaled(Behind(m, w.Norms[3]), facts.ResidualMultiplier));
        }
    }

    private double[][] Attention(double[][] entry, int layer, ReferenceAdapter? adapter)
    {
        LayerWeights w = weights.Layers[layer];
        int first = adapter is { Gates: null } ? adapter.Tokens.Length : 0;
        double[][] queries = [.. entry.Select((row, place) => Turned(Apply(w.Query, row), w.QueryNorm, layer, first + place))];
        double[][] keys = [.. entry.Select((row, place) => Turned(Apply(w.Key, row), w.KeyNorm, layer, first + place))];
        double[][] values = [.. entry.Select(row => Apply(w.Value, row))];
        double[][] tokens = [.. (adapter?.Tokens ?? []).Select(token => Array.ConvertAll(token, number => (double)number))];
        double[][] tokenKeys = [.. tokens.Select((token, place) => Turned(Apply(w.Key, token), w.KeyNorm, layer, first > 0 ? place : 0))];
        double[][] tokenValues = [.. tokens.Select(token => Apply(w.Value, token))];
        double[][] result = [.. entry.Select(_ => new double[facts.QuerySize])];
        for (int row = 0; row < entry.Length; row++)
        {
            for (int head = 0; head < facts.Heads; head++)
            {
                int[] seen = [.. Enumerable.Range(0, row + 1).Where(key => facts.WindowOf(layer) < 0 || key > row - facts.WindowOf(layer))];
                int[] prefix = [.. Enumerable.Range(0, first).Where(place => facts.WindowOf(layer) < 0 || place > first + row - facts.WindowOf(layer))];
                double[][] k = [.. prefix.Select(place => tokenKeys[place]), .. seen.Select(key => keys[key])];
                double[][] v = [.. prefix.Select(place => tokenValues[place]), .. seen.Select(key => values[key])];
                double[] own = Attend(queries[row], head, k, v, Sink(w, head));
                double[] other = adapter?.Gates is { } gates ? Scaled(Attend(queries[row], head, tokenKeys, tokenValues, null), gates[layer][head]) : new double[facts.HeadSize];
                Sum(own, other).CopyTo(result[row], head * facts.HeadSize);
            }
        }
        return result;
    }

    private double? Sink(LayerWeights w, int head) => facts.HasSinks ? w.Sinks[head] : facts.SmoothSoftmax ? 0 : null;

    private double[] Attend(double[] query, int head, double[][] keys, double[][] values, double? sink)
    {
        (int size, int group) = (facts.HeadSize, head * facts.KeyValueHeads / facts.Heads);
        double[] scores = [.. keys.Select(key => Capped(facts.ScoreScale * Enumerable.Range(0, size).Sum(i => query[(head * size) + i] * key[(group * size) + i])))];
        double most = Math.Max(scores.Max(), sink ?? double.MinValue);
        double[] shares = [.. scores.Select(score => Math.Exp(score - most))];
        double sum = shares.Sum() + (sink is { } extra ? Math.Exp(extra - most) : 0);
        return [.. Enumerable.Range(0, size).Select(i => shares.Zip(values, (share, value) => share / sum * value[(group * size) + i]).Sum())];
    }

    private double Capped(double score) => facts.SoftCap == 0 ? score : facts.SoftCap * Math.Tanh(score / facts.SoftCap);

    /// <summary>Heads normalised and rotated, in the order of the model.</summary>
    private double[] Turned(double[] heads, float[] norm, int layer, int position)
    {
        double[] Normalised(double[] value) => facts.HeadNorm == HeadNorm.None ? value
            : [.. value.Chunk(norm.Length).SelectMany(part => Rms(part, norm))];
        return facts.NormalisesRotated ? Normalised(Rotated(heads, layer, position)) : Rotated(Normalised(heads), layer, position);
    }

    private double[] Rotated(double[] heads, int layer, int position)
    {
        if (!facts.IsRotated(layer))
        {
            return heads;
        }
        (float[] cosines, float[] sines) = facts.Angles(layer);
        (double[] result, int half) = ([.. heads], facts.RotatedSize / 2);
        for (int start = 0; start < heads.Length; start += facts.HeadSize)
        {
            for (int pair = 0; pair < half; pair++)
            {
                (int a, int b) = facts.InterleavedRotary ? (start + (2 * pair), start + (2 * pair) + 1) : (start + pair, start + pair + half);
                (double cos, double sin) = (cosines[(position * half) + pair], sines[(position * half) + pair]);
                (result[a], result[b]) = ((heads[a] * cos) - (heads[b] * sin), (heads[b] * cos) + (heads[a] * sin));
            }
        }
        return result;
    }

    private static double[] Mlp(LayerWeights w, double[] h) => Apply(w.Down, [.. Apply(w.Gate, h).Zip(Apply(w.Up, h), (gate, up) => gate / (1 + Math.Exp(-gate)) * up)]);

    private double[] Before(double[] row, Norm norm) => facts.Norms == NormPlaces.Behind ? row : Normal(row, norm);

    private double[] Behind(double[] row, Norm norm) => facts.Norms == NormPlaces.Before ? row : Normal(row, norm);

    private double[] Normal(double[] row, Norm norm)
    {
        if (norm.Bias is not { } bias)
        {
            return Rms(row, norm.Weight);
        }
        double mean = row.Average();
        double deviation = Math.Sqrt(row.Average(number => (number - mean) * (number - mean)) + DecoderFacts.Epsilon);
        return [.. row.Select((number, i) => ((number - mean) / deviation * norm.Weight[i]) + bias[i])];
    }

    private static double[] Rms(double[] row, float[] weight)
    {
        double root = Math.Sqrt(row.Average(number => number * number) + DecoderFacts.Epsilon);
        return [.. row.Select((number, i) => number / root * weight[i])];
    }

    private static double[] Apply(Linear linear, double[] x)
    {
        double[] product = Apply(linear.Matrix, x);
        product = linear.Bias is { } bias ? [.. product.Zip(bias, (a, b) => a + b)] : product;
        return linear.Update is { } update ? Sum(product, Scaled(Apply(update.Up, Apply(update.Down, x)), LowRank.Factor)) : product;
    }

    private static double[] Apply(Matrix matrix, double[] x)
    {
        double[] product = new double[matrix.Outputs];
        for (int output = 0; output < product.Length; output++)
        {
            for (int input = 0; input < x.Length; input++)
            {
                product[output] += matrix.Rows[(output * x.Length) + input] * x[input];
            }
        }
        return product;
    }

    private static double[] Scaled(double[] row, double factor) => factor == 1 ? row : [.. row.Select(number => number * factor)];

    private static double[] Sum(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];
}
