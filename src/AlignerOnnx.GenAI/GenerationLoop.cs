using Microsoft.ML.OnnxRuntimeGenAI;

namespace AlignerOnnx.GenAI;

/// <summary>Drives one GenAI generator from the prompt to the last token.</summary>
internal static class GenerationLoop
{
    /// <summary>Runs while it is enumerated, on the enumerating thread; disposing the enumerator frees the generator.</summary>
    internal static IEnumerable<GeneratedToken> Run(NativeModel native, GenAIConfig config, GenerationRequest request, CancellationToken cancellation)
    {
        native.Hold();
        AdapterSet.Entry? adapter = null;
        try
        {
            int maxLength = MaxLength(config, request);
            using (Generator generator = Create(native, request, maxLength))
            {
                adapter = request.Adapter is null ? null : native.Adapters.Activate(request.Adapter, generator);
                cancellation.ThrowIfCancellationRequested();
                generator.AppendTokens([.. request.PromptIds]);
                foreach (GeneratedToken token in Steps(native, generator, request, maxLength, cancellation))
                {
                    yield return token;
                }
            }
        }
        finally
        {
            if (adapter is not null)
            {
                native.Adapters.Release(adapter);
            }
            native.LetGo();
        }
    }

    private static int MaxLength(GenAIConfig config, GenerationRequest request)
    {
        int prompt = request.PromptIds.Count;
        if (prompt >= config.MaxLength)
        {
            throw new PromptTooLongException(prompt, config.MaxLength);
        }
        return (int)Math.Min(config.MaxLength, prompt + (long)(request.MaxNewTokens ?? int.MaxValue));
    }

    private static Generator Create(NativeModel native, GenerationRequest request, int maxLength)
    {
        using GeneratorParams parameters = new(native.Model);
        // The key/value cache is allocated for the whole length at once, so ask for no more than is needed.
        parameters.SetSearchOption("max_length", maxLength);
        if (request.Temperature is float temperature)
        {
            parameters.SetSearchOption("do_sample", temperature > 0);
            parameters.SetSearchOption("temperature", temperature > 0 ? temperature : 1);
        }
        SetIfGiven("top_p", request.TopP);
        SetIfGiven("top_k", request.TopK);
        SetIfGiven("random_seed", request.Seed);
        return request.Guidance is { } guidance ? CreateGuided(native, parameters, guidance) : new Generator(native.Model, parameters);

        void SetIfGiven(string option, double? value)
        {
            if (value is double number)
            {
                parameters.SetSearchOption(option, number);
            }
        }
    }

    private static Generator CreateGuided(NativeModel native, GeneratorParams parameters, Guidance guidance)
    {
        try
        {
            parameters.SetGuidance(guidance.NativeKind, guidance.NativeText());
            return new Generator(native.Model, parameters);
        }
        catch (OnnxRuntimeGenAIException e)
        {
            throw new GuidanceRefusedException(e.Message, e);
        }
    }

    private static IEnumerable<GeneratedToken> Steps(
        NativeModel native, Generator generator, GenerationRequest request, int maxLength, CancellationToken cancellation)
    {
        HashSet<int> ends = [.. native.Tokenizer.GetEosTokenIds()];
        StopFilter filter = new(request.StopStrings);
        using TokenizerStream decoder = native.Tokenizer.CreateStream();
        LogitSteering? steering = LogitSteering.For(request);
        using NativeLogits logits = new(generator);
        for (int length = request.PromptIds.Count + 1; length <= maxLength; length++)
        {
            cancellation.ThrowIfCancellationRequested();
            steering?.Prepare(logits);
            generator.GenerateNextToken();
            int id = generator.GetNextTokens()[0];
            TokenLogprobs? logprobs = steering?.Count(id);
            if (ends.Contains(id))
            {
                yield return new GeneratedToken(id, filter.Flush(), FinishReason.Stop, logprobs);
                yield break;
            }
            string text = filter.Push(decoder.Decode(id));
            FinishReason finish = filter.Stopped ? FinishReason.Stop : length == maxLength ? FinishReason.Length : FinishReason.None;
            yield return new GeneratedToken(id, finish == FinishReason.Length ? text + filter.Flush() : text, finish, logprobs);
            if (finish != FinishReason.None)
            {
                yield break;
            }
        }
    }
}
