using System.CommandLine;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Cli;

/// <summary>How answers are generated.</summary>
internal sealed class GenerationOptions(int maximumTokens)
{
    private readonly Option<int> _maximum = CommonOptions.Whole("--max-tokens", "The most tokens to answer with.", standard: maximumTokens, least: 1);
    private readonly Option<double> _temperature = CommonOptions.Number("--temperature", "0 takes the likeliest token always; above, tokens are drawn.", standard: 0, least: 0, most: 10);
    private readonly Option<int> _seed = CommonOptions.Seed();

    public void AddTo(Command command)
    {
        command.Options.Add(_maximum);
        command.Options.Add(_temperature);
        command.Options.Add(_seed);
    }

    /// <summary>The request, still without a prompt.</summary>
    public GenerationRequest RequestOf(ParseResult parsed) => new()
    {
        PromptIds = [],
        MaxNewTokens = parsed.GetValue(_maximum),
        Temperature = (float)parsed.GetValue(_temperature),
        Seed = parsed.GetValue(_seed),
    };
}
