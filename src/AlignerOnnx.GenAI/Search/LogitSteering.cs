using System.Numerics.Tensors;

namespace AlignerOnnx.GenAI;

/// <summary>Reads the logits of each step for log-probabilities and changes them by biases and penalties; made only for requests that ask for one of these.</summary>
internal sealed class LogitSteering
{
    private readonly GenerationRequest _request;
    private readonly Dictionary<int, int> _produced = [];
    private float[] _raw = [];

    private LogitSteering(GenerationRequest request) => _request = request;

    internal static LogitSteering? For(GenerationRequest request) =>
        request.LogitBias.Count > 0 || request.PresencePenalty != 0 || request.FrequencyPenalty != 0 || request.TopLogprobs is not null ? new LogitSteering(request) : null;

    /// <summary>To be called with the logits, [vocabulary], before a token is chosen.</summary>
    /// <returns>Whether they were changed.</returns>
    internal bool Change(Span<float> values)
    {
        if (_request.TopLogprobs is not null)
        {
            _raw = values.ToArray();
        }
        return Steer(values);
    }

    /// <summary>To be called with the token that was chosen.</summary>
    /// <returns>Its log-probabilities, where they were asked for.</returns>
    internal TokenLogprobs? Count(int id)
    {
        _produced[id] = _produced.GetValueOrDefault(id) + 1;
        return _request.TopLogprobs is int top ? Logprobs(id, top) : null;
    }

    private bool Steer(Span<float> values)
    {
        bool changed = false;
        foreach ((int id, float bias) in _request.LogitBias)
        {
            if (id < values.Length)
            {
                values[id] += bias;
                changed = true;
            }
        }
        if (_request.PresencePenalty != 0 || _request.FrequencyPenalty != 0)
        {
            foreach ((int id, int count) in _produced)
            {
                values[id] -= (_request.FrequencyPenalty * count) + _request.PresencePenalty;
                changed = true;
            }
        }
        return changed;
    }

    private TokenLogprobs Logprobs(int id, int top)
    {
        float largest = TensorPrimitives.Max<float>(_raw);
        double sum = 0;
        foreach (float logit in _raw)
        {
            sum += Math.Exp(logit - largest);
        }
        double norm = largest + Math.Log(sum);
        PriorityQueue<int, float> best = new();
        for (int token = 0; token < _raw.Length && top > 0; token++)
        {
            if (best.Count < top)
            {
                best.Enqueue(token, _raw[token]);
            }
            else if (_raw[token] > _raw[best.Peek()])
            {
                best.EnqueueDequeue(token, _raw[token]);
            }
        }
        (int, float)[] likeliest = [.. best.UnorderedItems.OrderByDescending(item => item.Priority).ThenBy(item => item.Element).Select(item => (item.Element, (float)(item.Priority - norm)))];
        return new TokenLogprobs((float)(_raw[id] - norm), likeliest);
    }
}
