using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>The rows that a request is to learn, as its files have them.</summary>
/// <param name="Train">The rows to learn.</param>
/// <param name="Held">Held-out rows; null where there are none.</param>
internal sealed record SupervisedRows(ConversationDataSet Train, ConversationDataSet? Held)
{
    public static SupervisedRows Read(FineTuningRequest request)
    {
        DataReadingOptions reading = new() { PromptStyle = request.PromptStyle };
        return new SupervisedRows(ReadFile(request.Data), request.Evaluation is null ? null : ReadFile(request.Evaluation));

        ConversationDataSet ReadFile(string path) => request.PreferredAnswers ? ConversationDataSet.ReadPreferred(path, reading) : ConversationDataSet.Read(path, reading);
    }

    /// <summary>Tokenises them for a model.</summary>
    public (EncodedDataSet Train, EncodedDataSet? Held) EncodeFor(FrozenModel model, FineTuningRequest request)
    {
        IReadOnlyList<EncodedDataSet> encoded = model.Encode(request.MaximumLength, request.LossOn, Held is null ? [Train] : [Train, Held]);
        return (encoded[0], Held is null ? null : encoded[1]);
    }
}
