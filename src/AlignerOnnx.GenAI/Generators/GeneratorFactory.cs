using Microsoft.ML.OnnxRuntimeGenAI;

namespace AlignerOnnx.GenAI;

/// <summary>Makes GenAI generators that choose tokens as a request wants.</summary>
internal static class GeneratorFactory
{
    /// <summary>The most tokens of prompt and answer together.</summary>
    /// <exception cref="PromptTooLongException">The prompt leaves no room for an answer.</exception>
    internal static int MaxLength(GenAIConfig config, GenerationRequest request, int prompt) => prompt < config.MaxLength
        ? (int)Math.Min(config.MaxLength, prompt + (long)(request.MaxNewTokens ?? int.MaxValue))
        : throw new PromptTooLongException(prompt, config.MaxLength);

    /// <exception cref="GuidanceRefusedException">The form that is asked for cannot be followed.</exception>
    internal static Generator Create(NativeModel native, GenerationRequest request, int maxLength)
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
}
